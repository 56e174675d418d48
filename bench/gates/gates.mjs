// How often gates are wrong, counted on stored outputs of real models: gates between equals, losses of known size, intervals
// against the truth, film. The models are trained and measured by bench/gates/models.json; everything after that is drawn from
// what their validations kept of each image and decided by the program's own bootstrap and gate.
//
//   node bench/gates/gates.mjs --data FOLDER [--root DIR] [--tasks segmentation,detection] [--gates 1000] [--quick] [--save]
//   node bench/gates/gates.mjs --kept --root DIR …
//   node bench/gates/gates.mjs --page     the page again, from gates.json
//
// FOLDER is Debian's dataset-fashion-mnist (apt-get download, dpkg -x: usr/share/datasets/fashion-mnist). --root keeps the run,
// so that a second call only reads; with --kept nothing is run, the last run there is read. --save: docs/results/gates.json, and the tables of gates.md; other tasks' rows stay.
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { importTypeScript } from '../../scripts/import-typescript.mjs';
import { cacheFolder, root as project } from '../../scripts/places.mjs';
import { headgate } from '../headgate.mjs';
import { machine } from '../machine.mjs';
import { pageOf } from './page.mjs';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    root: { type: 'string', default: join(cacheFolder, 'gates') },
    tasks: { type: 'string', default: 'segmentation,detection' },
    gates: { type: 'string', default: '1000' },
    kept: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
});
const file = join(project, 'docs/results/gates.json');
const read = () => JSON.parse(readFileSync(file, 'utf8'));
if (options.page) {
  writeFileSync(join(project, 'docs/results/gates.md'), pageOf(read()));
  process.exit(0);
}
if (options.data === undefined && !options.kept) {
  console.error('--data FOLDER is needed: the Fashion-MNIST files, as Debian packages them');
  process.exit(2);
}

const gates = options.quick ? 100 : Number(options.gates);
const few = Math.ceil(gates / 10);
/** Fewer gates and replicates where each is dear. 119 and 199 replicates have ranks at exactly 5 % and 2.5 %. */
const SIZES = {
  segmentation: {
    close: { images: [100, 300], gates, replicates: 199 },
    large: { images: [1000], gates, replicates: 199 },
    seeds: { images: [100, 300], gates, replicates: 199 },
    samples: { images: [300], gates, replicates: 199 },
    loss: { images: [250, 1000, 4000], gates: few, replicates: 119 },
    film: { images: [400], gates, replicates: 119, frames: 8, blocks: [1, 8, 32] },
  },
  detection: {
    close: { images: [100, 300], gates, replicates: 119 },
    large: { images: [1000], gates, replicates: 119 },
    seeds: { images: [100, 300], gates, replicates: 119 },
    samples: { images: [300], gates, replicates: 119 },
    loss: { images: [250, 1000, 4000], gates: few, replicates: 119 },
    film: { images: [400], gates, replicates: 119, frames: 8, blocks: [1, 8, 32] },
  },
};

const { armsOf, valuesOf, MODELS } = await importTypeScript(join(project, 'bench/gates/campaign.ts'));
const stages = measuredModels();
const found = { date: new Date().toISOString().slice(0, 10), machine: machine(), tasks: {} };
for (const task of options.tasks.split(',')) {
  const models = MODELS.map((model) => artifact(`${model}[${task}]`, 'details').images);
  const measured = valuesOf(models);
  MODELS.forEach((model) => checkAgainst(artifact(`${model}[${task}]`, 'metrics'), measured.values[model]));
  const arms = [];
  const started = process.cpuUsage();
  for (const arm of armsOf(models, SIZES[task], 1)) {
    arms.push(arm);
    const { images, block, better, keeps99, worse, value } = arm.counted;
    const cpu = ((process.cpuUsage(started).user ?? 0) / 1e6).toFixed(0);
    console.error(
      `${task}, ${arm.arm}, ${images} images, block ${block}: better ${rate(better)}, keeps 99 % ${rate(keeps99)}, worse ${rate(worse)}, held ${value.held} (${cpu} s)`,
    );
    found.tasks[task] = { ...measured, arms, cpuSeconds: Number(cpu) };
    if (options.save) save();
  }
}

function rate({ confident, bare }) {
  return `${confident} (bare ${bare})`;
}

/** A workflow's includes lie in its root, so both are copied there. */
function measuredModels() {
  const root = resolve(options.root);
  const files = ['bench/gates/models.json', 'workflows/parts/profiles.json'];
  if (!options.kept) for (const name of files) cpSync(join(project, name), join(root, name));
  const run = ['run', join(root, files[0]), '--set', `folder=${relative(root, resolve(options.data ?? ''))}`];
  const { report } = headgate([...(options.kept ? ['status'] : run), '--root', root]);
  return new Map(report.stages.map((stage) => [stage.id, stage]));
}

function artifact(id, port) {
  const { digest } = stages.get(id).outputs[port];
  return JSON.parse(readFileSync(join(options.root, '.headgate/objects', digest.slice(0, 2), digest), 'utf8'));
}

/** The pool's metric is the validation's own to the last bit, or nothing that follows is about these models. */
function checkAgainst({ values, primary }, value) {
  if (values[primary] !== value) throw new Error(`${primary} is ${values[primary]}, drawn again ${value}`);
}

function save() {
  const earlier = existsSync(file) ? read() : { tasks: {} };
  const command = `node ${relative(project, process.argv[1])} --data FOLDER${options.gates === '1000' ? '' : ` --gates ${options.gates}`}`;
  const results = { ...found, command, tasks: { ...earlier.tasks, ...found.tasks } };
  writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(project, 'docs/results/gates.md'), pageOf(results));
}
