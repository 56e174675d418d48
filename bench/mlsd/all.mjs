// Evidence: what quantisation does to M-LSD, which cures help and what QAT without labels brings, as docs/results/mlsd.md and
// .json. One `headgate run workflows/mlsd.json`, as a user would start it, on a root that holds the model's file and the data.
//
//   node bench/mlsd/all.mjs --root DIR [--params FILE] [--out docs/results]
//
// DIR: mlsd_320x320_tiny.onnx (npm pack jp.keijiro.mlsd@1.0.0) and data/ (bench/mlsd/prepare.mjs).
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root as project } from '../../scripts/places.mjs';
import { headgate } from '../headgate.mjs';
import { machine } from '../machine.mjs';

const { values: options } = parseArgs({
  options: {
    root: { type: 'string' },
    params: { type: 'string' },
    out: { type: 'string', default: 'docs/results' },
  },
});
if (options.root === undefined) throw new Error('--root DIR is needed: where the model and the data are');

const workflow = JSON.parse(readFileSync(join(project, 'workflows/mlsd.json'), 'utf8'));
/** QAT again, with other settings than the workflow's. */
const TRIES = [{ learningRate: 0.0001, epochs: 4 }];

const report = run();
const tasks = Object.keys(workflow.tasks);
const arms = workflow.params.arms;
const result = {
  date: new Date().toISOString().slice(0, 10),
  machine: machine(),
  command: 'node bench/mlsd/all.mjs --root DIR',
  images: workflow.params.data.splits,
  qat: workflow.params.qat,
  sqnr: valuesByRole(report),
  tries: TRIES.map((settings) => {
    const set = Object.entries(settings).flatMap(([name, value]) => ['--set', `qat.${name}=${value}`]);
    return { ...settings, sqnr: valuesByRole(run(...set, '--until', 'distilled-accuracy')).distilled };
  }),
  proofs: report.stages.flatMap(({ id, facts }) =>
    (facts?.proofs ?? []).map(({ name, text }) => ({ stage: id, name, text })),
  ),
  kept: report.stages.find(({ id }) => id === 'kept').chosen,
  sensitivity: sensitivity(),
};
const out = resolve(project, options.out);
writeFileSync(join(out, 'mlsd.json'), `${JSON.stringify(result, null, 1)}\n`);
writeFileSync(join(out, 'mlsd.md'), page(result));

function run(...more) {
  const workflowFile = join(project, 'workflows/mlsd.json');
  const args = ['run', workflowFile, '--root', options.root, '--jobs', '1', ...more];
  if (options.params !== undefined) args.push('--params', options.params);
  return headgate(args).report;
}

/** Role → task → decibels. */
function valuesByRole({ stages }) {
  const found = {};
  for (const { role, facts } of stages)
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

function page({ date, machine: on, command, images, qat, sqnr, tries, proofs, kept, sensitivity: worst }) {
  const decibels = (value) => (value === undefined || value === null ? '–' : value.toFixed(1));
  const row = (name, what, role, from = sqnr) =>
    `| ${name} | ${what} | ${tasks.map((task) => decibels(from[role]?.[task])).join(' | ')} |`;
  const qats = [{ ...qat, sqnr: sqnr.distilled }, ...tries];
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
    `From the arm with both cures, towards the float trunk's features on the train split (${images.train} images, AdamW, cosine schedule).`,
    '',
    ...head,
    row('cured', 'before QAT', 'cured'),
    ...qats.map((settings) => row('distilled', trained(settings), 'qat', { qat: settings.sqnr })),
    '',
    verdict(sqnr.cured, qats),
    '',
    '## Deployed (report split)',
    '',
    'The integer row is the exported file in onnxruntime with its optimisations on, whose 8-bit kernels saturate on processors',
    "without VNNI; above it, the reference that the export's proof compares with.",
    '',
    ...head,
    row('report-cured', 'before QAT', 'report-cured'),
    row('report-distilled', trained(qat), 'report-distilled'),
    row('report-merged', `${kept} is kept by the gates, merged`, 'report-merged'),
    row('report-integer', `${kept}, exported, integer runtime`, 'report-integer'),
    '',
    '## The most sensitive layers',
    '',
    `One layer of the trunk quantised at a time (w8a8), the rest float, on ${workflow.params.analysis.images} images; decibels at \`scores\`, of both parts together and of each, and what \`scores\` gains where all but this layer is quantised.`,
    '',
    '| layer | alone | weights only | activations only | gained without it |',
    '| --- | --- | --- | --- | --- |',
    ...worst.map(
      ({ layer, alone, weights, activations, gained }) =>
        `| \`${layer}\` | ${[alone, weights, activations, gained].map(decibels).join(' | ')} |`,
    ),
    '',
    '## Proofs that the run made',
    '',
    ...proofs
      .filter(({ name }) => name !== 'freeze')
      .map(({ stage, name, text }) => `- ${name}, \`${stage}\`: ${text}`),
    `- freeze: ${proofs.filter(({ name }) => name === 'freeze').length} proofs, in mlsd.json`,
  ].join('\n')}\n`;
}

function trained({ epochs, learningRate }) {
  return `${epochs} epochs at a learning rate of ${learningRate}`;
}

/** What the figures say of QAT, so that the page cannot say otherwise. */
function verdict(before, qats) {
  const wins = qats.filter(({ sqnr }) => tasks.every((task) => sqnr[task] > before[task]));
  if (wins.length > 0) return `Nearer to the float model in every output: ${wins.map(trained).join('; ')}.`;
  return [
    'None of these settings brings every output nearer to the float model than calibration with both cures did. Most likely',
    'because the biases were corrected for the very rounding of the calibrated weights: AdamW first moves every weight by about',
    'the learning rate, roundings flip all over the trunk, and so few steps win back only a part. The distance also weighs all',
    'channels of the dense map alike, of which `scores` is one. Without a longer training, deploy the calibrated model.',
  ].join('\n');
}
