// Evidence: what quantisation does to M-LSD, which cures help and what QAT without labels brings, as docs/results/mlsd.md and
// .json. One `headgate run workflows/mlsd.json`, as a user would start it, on a root that holds the model's file and the data.
//
//   node bench/mlsd/all.mjs --root DIR [--params FILE] [--out docs/results]
//
// DIR: mlsd_320x320_tiny.onnx (npm pack jp.keijiro.mlsd@1.0.0) and data/ (bench/mlsd/prepare.mjs).
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root as project } from '../../scripts/places.mjs';

const { values: options } = parseArgs({
  options: {
    root: { type: 'string' },
    params: { type: 'string' },
    out: { type: 'string', default: 'docs/results' },
    program: { type: 'string', default: join(project, 'bin', 'headgate.js') },
  },
});
if (options.root === undefined) throw new Error('--root DIR is needed: where the model and the data are');

const workflow = JSON.parse(readFileSync(join(project, 'workflows/mlsd.json'), 'utf8'));
const report = run();
const tasks = Object.keys(workflow.tasks);
const arms = workflow.params.arms;
const result = {
  date: new Date().toISOString().slice(0, 10),
  machine: machine(),
  command: 'node bench/mlsd/all.mjs --root DIR',
  images: workflow.params.data.splits,
  qat: workflow.params.qat,
  sqnr: valuesByRole(),
  proofs: report.stages.flatMap(({ id, facts }) =>
    (facts?.proofs ?? []).map(({ name, text }) => ({ stage: id, name, text })),
  ),
  sensitivity: sensitivity(),
};
const out = resolve(project, options.out);
writeFileSync(join(out, 'mlsd.json'), `${JSON.stringify(result, null, 1)}\n`);
writeFileSync(join(out, 'mlsd.md'), page(result));

function run() {
  const args = ['run', join(project, 'workflows/mlsd.json'), '--root', options.root, '--json', '--jobs', '1'];
  if (options.params !== undefined) args.push('--params', options.params);
  const { stdout, status } = spawnSync(process.execPath, [options.program, ...args], {
    cwd: project,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`headgate run ended with ${status}`);
  return JSON.parse(stdout);
}

/** Role → task → decibels. */
function valuesByRole() {
  const found = {};
  for (const { role, facts } of report.stages)
    for (const { task, values } of facts?.metrics ?? []) if (role) (found[role] ??= {})[task] = values.sqnr;
  return found;
}

/** The layers that do most damage alone, at the output `scores`. */
function sensitivity() {
  const digest = report.stages.find(({ id }) => id === 'analysis')?.outputs?.report?.digest;
  if (digest === undefined) return [];
  const file = join(resolve(options.root), '.headgate/objects', digest.slice(0, 2), digest);
  const { layers } = JSON.parse(readFileSync(file, 'utf8'));
  // Worst first, as the report has them.
  return layers.slice(0, 12).map(({ layer, alone, weights, activations, restored }) => ({
    layer,
    alone: alone.sqnr,
    weights: weights?.alone.sqnr ?? null,
    activations: activations?.alone.sqnr ?? null,
    gained: restored.gained,
  }));
}

function page({ date, machine: on, command, images, qat, sqnr, proofs, sensitivity: worst }) {
  const decibels = (value) => (value === undefined || value === null ? '–' : value.toFixed(1));
  const row = (name, what, role) =>
    `| ${name} | ${what} | ${tasks.map((task) => decibels(sqnr[role]?.[task])).join(' | ')} |`;
  const head = [`| arm | what | ${tasks.join(' | ')} |`, `| --- | --- | ${tasks.map(() => '---').join(' | ')} |`];
  const words = ({ profile, equalise, biasCorrection }) =>
    [profile, ...(equalise ? ['equalised'] : []), ...(biasCorrection ? ['biases corrected'] : [])].join(', ');
  return `${[
    '# M-LSD: a published model without labels',
    '',
    `Made by \`${command}\` on ${date}; ${on}.`,
    '',
    'M-LSD tiny (npm: jp.keijiro.mlsd 1.0.0, mlsd_320x320_tiny.onnx), a line-segment detector that nobody here trained, through',
    '`workflows/mlsd.json`: imported at named cut tensors, its suppression left in float behind the heads. There are no labels:',
    "every number is the SQNR in decibels of one output against the float model's, before the suppression (more is better).",
    `Images are driving frames in contiguous blocks: ${images.calibration} to calibrate, ${images.train} to train on, ${images.gate} for the gate and ${images.report} for the report split.`,
    'Both heads only cut the dense map that the trunk ends in, so every weight is in the trunk.',
    '',
    '## Cures (gate split)',
    '',
    'Weights per output channel in every arm: headgate has no others.',
    '',
    ...head,
    ...arms.map((arm) => row(arm.key, words(arm), arm.key)),
    '',
    '## Distilled QAT',
    '',
    `From the arm with both cures, ${qat.epochs} epochs towards the float trunk's features on the train split. The integer row is the exported`,
    "file in onnxruntime with its optimisations on, whose 8-bit kernels saturate on processors without VNNI; before it, the reference that the export's proof compares with.",
    '',
    ...head,
    row('cured', 'before QAT, gate split', 'cured'),
    row('distilled', 'after QAT, gate split', 'distilled'),
    row('report-cured', 'before QAT, report split', 'report-cured'),
    row('report-distilled', 'after QAT, merged, report split', 'report-distilled'),
    row('report-integer', 'after QAT, exported, integer runtime, report split', 'report-integer'),
    '',
    '## The most sensitive layers',
    '',
    `One layer of the trunk quantised at a time (w8a8, weights and output), the rest float; SQNR at its own output and at \`scores\`.`,
    '',
    '| layer | at its output | at `scores` |',
    '| --- | --- | --- |',
    ...worst.map(({ layer, here, output }) => `| \`${layer}\` | ${decibels(here)} | ${decibels(output)} |`),
    '',
    '## Proofs that the run made',
    '',
    ...proofs.map(({ stage, name, text }) => `- ${name}, \`${stage}\`: ${text}`),
  ].join('\n')}\n`;
}

function machine() {
  const { version } = JSON.parse(
    readFileSync(join(project, 'node_modules', 'onnxruntime-node', 'package.json'), 'utf8'),
  );
  return `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, onnxruntime-node ${version}`;
}
