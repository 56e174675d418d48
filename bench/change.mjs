// Evidence: what it costs that one head gets new data after the model was delivered, the strategy against joint QAT, as
// docs/results/change.md and .json: steps trained again, and what happens to the head whose data did not change.
//
//   node bench/change.mjs [--seeds 0,1,2] [--root DIR] [--out docs/results]
//
// FashionScenes, the arms of bench/arms.mjs, whose runs are reused where --root is the same. The head `detection` is then trained
// on other scenes (`--set data.change=SEED`); `segmentation` and its data stay. Joint QAT takes one training set for all its
// heads: it is given the new scenes with the labels of both, more than the strategy gets.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root as project } from '../scripts/places.mjs';
import { signed, two } from './figures.mjs';
import { headgate, stepsOf } from './headgate.mjs';
import { machine } from './machine.mjs';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0,1,2' },
    root: { type: 'string', default: '.' },
    out: { type: 'string', default: 'docs/results' },
  },
});
const seeds = options.seeds.split(',').map(Number);
const UNCHANGED = 'segmentation';
const TASKS = ['detection', UNCHANGED];
/** Arm → where it is measured, and the stages that train in it. */
const ARMS = {
  strategy: { role: 'report-merged', training: /^(base|head\[)/ },
  'joint QAT': { role: 'report-joint', training: /^joint$/ },
};

const changes = seeds.map((seed) => change(seed));
const result = {
  date: new Date().toISOString().slice(0, 10),
  machine: machine(),
  command: `node bench/change.mjs --seeds ${options.seeds}`,
  changes,
};
const out = resolve(project, options.out);
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'change.json'), `${JSON.stringify(result, null, 1)}\n`);
writeFileSync(join(out, 'change.md'), page());

function change(seed) {
  const before = run([`seed=${seed}`]);
  const after = run([`seed=${seed}`, `data.change=${1000 + seed}`, 'rivals.joint.data=new-scenes.train']);
  // By key, so that a second call, which finds the change's own run in the cache, counts the same.
  const delivered = new Set(before.stages.map(({ key }) => key));
  const arms = Object.entries(ARMS).map(([arm, { role, training }]) => {
    const trained = after.stages.filter(
      ({ id, kind, state, key }) =>
        training.test(id) &&
        ['qat', 'finetune'].includes(kind) &&
        ['succeeded', 'cached'].includes(state) &&
        !delivered.has(key),
    );
    return {
      arm,
      stages: trained.map(({ id }) => id),
      steps: stepsOf(trained, training),
      values: Object.fromEntries(TASKS.map((task) => [task, [before, after].map((of) => valueOf(of, role, task))])),
      // Per-image numbers of the report split: equal bytes only if no image is answered differently.
      same: detailsOf(before, role) === detailsOf(after, role),
    };
  });
  return { seed, arms };
}

function run(set) {
  const args = ['run', 'workflows/fashion-scenes.json', '--params', 'workflows/params/arms.json'];
  for (const word of ['profile=w4a4', ...set]) args.push('--set', word);
  for (const { role } of Object.values(ARMS)) args.push('--until', role);
  const { report } = headgate([...args, '--root', options.root]);
  console.error(`${set.join(' ')}: ended well`);
  return report;
}

function measured({ stages }, role, task) {
  return stages.find((stage) => stage.role === role && stage.task === task);
}

function valueOf(report, role, task) {
  const { primary, values } = measured(report, role, task).facts.metrics[0];
  return 100 * values[primary];
}

function detailsOf(report, role) {
  return measured(report, role, UNCHANGED).outputs.details.digest;
}

function page() {
  return [
    '# What a change costs: new data for one head',
    '',
    `Made by \`${result.command}\` on ${result.date}; ${result.machine}.`,
    '',
    'FashionScenes, w4a4, one model with two heads, delivered; then the head `detection` gets other training scenes. Both arms train',
    'its float head anew; what each trains again after that is counted here. `segmentation` keeps its data: what becomes of it is',
    'the price. Joint QAT takes one training set for all its heads: it gets the new scenes with the labels of both, more than the',
    'strategy gets. Report split, percent; "the same" means that no image of it is answered differently.',
    '',
    '| seed | arm | trained again | steps of each scope | detection before → after | segmentation before → after | segmentation |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...changes.flatMap(({ seed, arms }) =>
      arms.map(({ arm, stages, steps, values, same }) =>
        [
          '',
          seed,
          arm,
          stages.map((id) => `\`${id}\``).join(', '),
          Object.entries(steps)
            .map(([scope, count]) => `${scope} ${count}`)
            .join(', '),
          ...TASKS.map((task) => values[task].map(two).join(' → ')),
          same ? 'the same' : `moved by ${signed(values[UNCHANGED][1] - values[UNCHANGED][0])}`,
          '',
        ]
          .join(' | ')
          .trim(),
      ),
    ),
    '',
  ].join('\n');
}
