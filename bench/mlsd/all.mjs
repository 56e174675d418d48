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
/** QAT again, with other settings than the workflow's: shorter. */
const TRIES = [{ epochs: 2 }];

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
  losses: lossesOf(report),
  untrained: lossesOf(run(...setting({ learningRate: 0, epochs: 1 }), '--until', 'distilled'))[0],
  tries: TRIES.map((settings) => {
    const tried = run(...setting(settings), '--until', 'distilled-accuracy');
    return { ...workflow.params.qat, ...settings, sqnr: valuesByRole(tried).distilled, losses: lossesOf(tried) };
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

function setting(settings) {
  return Object.entries(settings).flatMap(([name, value]) => ['--set', `qat.${name}=${value}`]);
}

/** Mean loss of every epoch of the QAT. */
function lossesOf({ stages }) {
  return objectOf(stages.find(({ id }) => id === 'distilled').outputs.report.digest).epochs.map(({ loss }) => loss);
}

function objectOf(digest) {
  return JSON.parse(readFileSync(join(resolve(options.root), '.headgate/objects', digest.slice(0, 2), digest), 'utf8'));
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
  // Worst first, as the report has them.
  return objectOf(digest)
    .layers.slice(0, 12)
    .map(({ layer, alone, weights, activations, restored }) => ({
      layer,
      alone: alone.sqnr,
      weights: weights?.alone.sqnr ?? null,
      activations: activations?.alone.sqnr ?? null,
      gained: restored.gained,
    }));
}

function page({ date, machine: on, command, images, qat, sqnr, tries, proofs, kept, sensitivity: worst, ...training }) {
  const decibels = (value) => (value === undefined || value === null ? '–' : value.toFixed(1));
  const row = (name, what, role, from = sqnr) =>
    `| ${name} | ${what} | ${tasks.map((task) => decibels(from[role]?.[task])).join(' | ')} |`;
  const qats = [...tries, { ...qat, sqnr: sqnr.distilled, losses: training.losses }];
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
    `From the arm with both cures, on the train split (${images.train} images, AdamW, cosine schedule), towards the float model's`,
    "outputs: the sum over outputs of the squared distance over the output's own mean square (1/SQNR).",
    '',
    ...head,
    row('cured', 'before QAT', 'cured'),
    ...qats.map((settings) => row('distilled', trained(settings), 'qat', { qat: settings.sqnr })),
    '',
    verdict(sqnr.cured, qats),
    '',
    ...lossTable(training.untrained, qats),
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

function trained({ epochs, learningRate, weightScales }) {
  return `${epochs} epochs at a learning rate of ${learningRate}, weight scales ${weightScales}`;
}

/** What the figures say of QAT, so that the page cannot say otherwise. */
function verdict(before, qats) {
  const wins = qats.filter(({ sqnr }) => tasks.every((task) => sqnr[task] > before[task]));
  return wins.length > 0
    ? `Nearer to the float model in every output: ${wins.map(trained).join('; ')}.`
    : 'None of these settings brings every output nearer to the float model than calibration with both cures did: deploy that.';
}

/** What training minimises, epoch by epoch. */
function lossTable(untrained, qats) {
  const most = Math.max(...qats.map(({ losses }) => losses.length));
  const shown = [0, 1, 3, 7, 15, 31].filter((epoch) => epoch < most - 1).concat(most - 1);
  const above = qats.filter(({ losses }) => losses[0] > untrained).length;
  return [
    `What training minimises, mean over an epoch of the train split; ${untrained.toFixed(3)} at a learning rate of 0, which is the calibrated`,
    'model. Its biases were corrected for the very rounding of the calibrated weights: where a first epoch is above it, most likely because',
    `moving weights flip roundings all over the trunk. In their first epoch ${above} of ${qats.length} are above it:`,
    '',
    `| training | ${shown.map((epoch) => `epoch ${epoch + 1}`).join(' | ')} |`,
    `| --- |${' ---: |'.repeat(shown.length)}`,
    ...qats.map(
      (settings) =>
        `| ${trained(settings)} | ${shown.map((epoch) => settings.losses[epoch]?.toFixed(3) ?? '–').join(' | ')} |`,
    ),
  ];
}
