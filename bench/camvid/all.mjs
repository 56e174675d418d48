// Evidence: the strategy on real driving frames, as docs/results/camvid.md and .json: every profile with one seed; against joint
// QAT (at equal steps per scope, and with every scope as long as the longest) and the float model trained on, over seeds;
// calibrated on day frames alone and on day and dusk.
//
//   node bench/camvid/all.mjs --data DIR [--root DIR] [--seeds 0,1,2] [--longest 0,1] [--longer 0]
//                              [--profiles w8a8,w8a16,w4a16,w4a4] [--set PATH=VALUE …] [--note WORDS] [--out docs/results]
//
// --data is what bench/camvid/prepare.mjs wrote. Every run is `headgate run workflows/camvid.json`; --root keeps the runs, so
// that a second call only reads. --longest and --longer: the seeds whose joint QAT trains every scope as long as the longest too,
// and whose float model is trained on; by default all. --note is what the page should say of the machine, such as what else it did.
//
// Written down before any result was read: compared on the report split, per head, paired by seed and by image. An arm wins when
// its mean difference over seeds is above MARGIN points and the 95 % interval of that mean (bootstrap of blocks of eight
// consecutive frames) is on one side of zero; otherwise no difference is shown.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root as project } from '../../scripts/places.mjs';
import { mean, plateauLines, signed, two } from '../figures.mjs';
import { machine } from '../machine.mjs';
import { bounds, interval, meanIou } from './figures.mjs';
import { Runs } from './runs.mjs';

const MARGIN = 0.5;
const TASKS = ['static', 'dynamic'];
const RIVAL_PROFILE = 'w4a4';
/** Arm → role of its validation on the report split, words, the stage where it is not named after its role. */
const ARMS = {
  strategy: ['report-merged', 'strategy'],
  equal: ['report-joint-equal', 'joint QAT, equal steps per scope', 'report-equal'],
  joint: ['report-joint', 'joint QAT, every scope as long as the longest'],
  longer: ['report-float-longer', 'float, trained on as long'],
  float: ['report-float', 'float'],
};
/** What the strategy is compared with. */
const RIVALS = ['equal', 'joint'];
const DUSK = '0001TP';
const NOTHING_DIFFERS = 'optimised 0.00 % differ, by at most 0.00 ';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    root: { type: 'string', default: '.' },
    seeds: { type: 'string', default: '0,1,2' },
    longest: { type: 'string' },
    longer: { type: 'string' },
    profiles: { type: 'string', default: 'w8a8,w8a16,w4a16,w4a4' },
    set: { type: 'string', multiple: true, default: [] },
    note: { type: 'string', default: '' },
    out: { type: 'string', default: 'docs/results' },
  },
});
if (options.data === undefined) {
  console.error('--data DIR is needed: what bench/camvid/prepare.mjs wrote');
  process.exit(2);
}
const listed = (text) => text.split(',').map(Number);
const seeds = listed(options.seeds);
/** Arm → seeds, of the arms that may be left out. */
const only = { joint: listed(options.longest ?? options.seeds), longer: listed(options.longer ?? options.seeds) };
const isRun = (arm, seed) => only[arm]?.includes(seed) ?? true;
const profiles = options.profiles.split(',');
const runs = new Runs({ data: resolve(options.data), root: options.root, set: options.set });

const result = {
  date: new Date().toISOString().slice(0, 10),
  machine: machine(),
  command: `node bench/camvid/all.mjs --data DIR ${commandWords()}`,
  margin: MARGIN,
  profiles: profiles.map((profile) => profileRow(profile)),
  rivals: seeds.map((seed) => rivalRow(seed)),
  calibration: ['calibration', 'day'].map((list) => calibrationRow(list)),
};
const out = resolve(project, options.out);
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'camvid.json'), `${JSON.stringify(result, null, 1)}\n`);
writeFileSync(join(out, 'camvid.md'), page());

/** Seed 0, gates on; a head that finetuning does not bring back goes on all the same. */
function profileRow(profile) {
  const run = runs.of([`profile=${profile}`, 'finetune.onExhausted=last']);
  const roles = ['report-float', 'report-merged', 'report-integer'];
  return {
    profile,
    exitCode: run.exitCode,
    values: Object.fromEntries(TASKS.map((task) => [task, roles.map((role) => points(run.metrics(role, task)))])),
    steps: run.steps(),
    gates: run.verdicts(),
    stopped: run.stopReason(),
    proofs: run.proofs(),
    exported: run.exported(),
    minutes: run.minutes(),
  };
}

function rivalRow(seed) {
  const arms = Object.entries(ARMS).filter(([arm]) => isRun(arm, seed));
  const run = runs.of([`seed=${seed}`, 'baselines.floatLonger=true'], {
    params: 'workflows/params/camvid-arms.json',
    until: arms.map(([, [role, , stage = role]]) => stage),
  });
  const of = (task) => {
    const metrics = Object.fromEntries(arms.map(([arm, [role]]) => [arm, run.metrics(role, task)]));
    const values = Object.fromEntries(Object.entries(metrics).map(([arm, found]) => [arm, points(found)]));
    const differences = RIVALS.filter((arm) => arm in metrics).map((arm) => [
      arm,
      pairwise(metrics.strategy, metrics[arm]),
    ]);
    return { values, differences: Object.fromEntries(differences) };
  };
  return {
    seed,
    exitCode: run.exitCode,
    tasks: Object.fromEntries(TASKS.map((task) => [task, of(task)])),
    steps: run.steps(),
    proofs: run.proofs(),
  };
}

/** w8a8, where nothing but calibration looks at the frames that the list names. */
function calibrationRow(list) {
  const run = runs.of(['profile=w8a8', 'finetune.onExhausted=last', `data.calibration=${list}`]);
  const onDusk = (frame) => frame.startsWith(DUSK);
  const tasks = TASKS.map((task) => {
    const merged = run.details('report-merged', task);
    const float = run.details('report-float', task);
    const parts = [() => true, (frame) => !onDusk(frame), onDusk].map((wanted) =>
      [float, merged].map((details) => details && 100 * meanIou(details, runs.frames('report'), wanted)),
    );
    return [task, parts];
  });
  const calibrated = TASKS.map((task) => [task, points(run.metrics('calibrated', task))]);
  return { list, exitCode: run.exitCode, tasks: Object.fromEntries(tasks), calibrated: Object.fromEntries(calibrated) };
}

function commandWords() {
  const given = ['seeds', 'longest', 'longer', 'profiles'].filter((name) => options[name] !== undefined);
  return [...given.map((name) => `--${name} ${options[name]}`), ...options.set.map((word) => `--set ${word}`)].join(
    ' ',
  );
}

function points(metrics) {
  return metrics === undefined ? null : 100 * metrics.values.mIoU;
}

/** Replicate i of both is of the same frames. */
function pairwise(strategy, joint) {
  if (strategy === undefined || joint === undefined) return [];
  const [left, right] = [strategy, joint].map(({ replicates }) => replicates.values.mIoU);
  return left.map((value, index) => 100 * (value - right[index]));
}

function page() {
  const dusk = runs.frames('report').filter((frame) => frame.startsWith(DUSK)).length;
  const lines = [
    '# Real driving frames',
    '',
    `Made by \`${result.command}\` on ${result.date}; ${result.machine}.${options.note === '' ? '' : ` ${options.note}`}`,
    '',
    'CamVid at 240 × 176 (its licence keeps the frames with whoever has them), `workflows/camvid.json`: a depthwise-separable',
    'backbone of width 16, the head `static` (8 classes) and the head `dynamic` (car, pedestrian, bicyclist, the rest). mIoU in',
    `percent on the report split, ${runs.frames('report').length} frames in held-out blocks with gaps, which no decision has`,
    'seen.',
    '',
    '## All profiles, seed 0',
    '',
    'In each cell: float, merged (VALIDATION), integer runtime. Steps: of training after the float model. Minutes: working time of',
    `the stages after the float model, whose own took ${result.profiles[0]?.minutes.float.toFixed(0)}; one job beside another is not taken off.`,
    '',
    '| profile | static | dynamic | backbone steps | static steps | dynamic steps | proofs | minutes | end |',
    '| --- | --- | --- | ---: | ---: | ---: | --- | ---: | --- |',
    ...result.profiles.map(({ profile, values, steps, proofs, exitCode, stopped, minutes }) =>
      [
        '',
        profile,
        ...TASKS.map((task) => values[task].map(two).join(' / ')),
        ...['backbone', ...TASKS].map((scope) => steps.strategy[scope] ?? 0),
        `${proofs.held} of ${proofs.all}`,
        minutes.after.toFixed(0),
        exitCode === 0 ? 'ran through' : (stopped ?? `exit ${exitCode}`),
        '',
      ]
        .join(' | ')
        .trim(),
    ),
    '',
    'How far the exported file is from VALIDATION on the gate split, as each run found it. With `session.qdqisint8allowed` activations',
    'stay int8; as uint8 they meet kernels that saturate on processors without VNNI:',
    '',
    ...exportLines(),
    '',
    `## The strategy against joint QAT, ${RIVAL_PROFILE}`,
    '',
    'All from the same float model of each seed. Written down beforehand: an arm wins when its mean paired difference is above',
    `${MARGIN} points and the 95 % interval of that mean, from a bootstrap over blocks of eight consecutive frames, is on one side of`,
    'zero; otherwise no difference is shown. The arm of equal steps was added when seed 0 of the other joint arm had been read.',
    ...TASKS.flatMap((task) => rivalTable(task)),
    '',
    ...why(),
    ...plateau(),
    '',
    'A head whose gate lets its calibration pass gets no QAT: there the strategy trains less than its rivals.',
    '',
    '| arm | seed | backbone steps | static | dynamic |',
    '| --- | --- | ---: | ---: | ---: |',
    ...result.rivals.flatMap(({ seed, steps }) =>
      Object.entries(steps)
        .filter(([arm]) => isRun(arm, seed))
        .map(
          ([arm, of]) =>
            `| ${ARMS[arm][1]} | ${seed} | ${['backbone', ...TASKS].map((scope) => of[scope] ?? 0).join(' | ')} |`,
        ),
    ),
    '',
    `Proofs held: ${result.rivals.map(({ seed, proofs }) => `seed ${seed}: ${proofs.held} of ${proofs.all}`).join('; ')}.`,
    '',
    '## Calibrated on day frames alone, and on day and dusk',
    '',
    `w8a8, seed 0, 64 frames each. In each cell: float, merged. Only ${dusk} of the report split's frames are at dusk: what stands in`,
    'their column is an observation, no finding.',
    '',
    '| calibration | head | all | day | dusk |',
    '| --- | --- | --- | --- | --- |',
    ...result.calibration.flatMap(({ list, tasks }) =>
      TASKS.map(
        (task) =>
          `| ${list === 'day' ? 'day' : 'day and dusk'} | ${task} | ${tasks[task].map((pair) => pair.map(two).join(' / ')).join(' | ')} |`,
      ),
    ),
    '',
  ];
  return lines.join('\n');
}

function exportLines() {
  const alike = ({ exported }) => exported.length > 0 && exported.every((line) => line.includes(NOTHING_DIFFERS));
  const same = result.profiles.filter(alike).map(({ profile }) => profile);
  const others = result.profiles.filter((row) => !alike(row));
  return [
    ...others.flatMap(({ profile, exported }) => exported.map((line) => `- ${profile}, ${line}`)),
    ...(same.length === 0 ? [] : [`- ${same.join(', ')}: with optimisations on, no output value differs.`]),
  ];
}

/** Said only where the figures say it. */
function why() {
  const average = (task, arm) => mean(result.rivals.map(({ tasks }) => tasks[task].values[arm]));
  const above = TASKS.filter(
    (task) => average(task, 'equal') > Math.max(average(task, 'strategy'), average(task, 'float')),
  );
  if (above.length === 0) return [];
  return [
    `On \`${above.join('` and `')}\` joint QAT ends above the strategy and above the float model itself. The likely reason is that of`,
    '[FashionScenes](arms.md): the float backbone was trained through `static` alone and then frozen, and joint QAT lets the labels',
    'of all heads into it. Not tried here: `objective.tasks`, which does that in the strategy.',
    '',
  ];
}

function plateau() {
  const gains = TASKS.map((task) => {
    const found = result.rivals.map(({ tasks }) => tasks[task].values).filter(({ longer }) => longer !== undefined);
    return [task, mean(found.map(({ longer, float }) => longer - float))];
  });
  const { params } = JSON.parse(readFileSync(join(project, 'workflows/camvid.json'), 'utf8'));
  return plateauLines(Object.fromEntries(gains), params.baselines.heads.epochs);
}

function rivalTable(task) {
  const rows = result.rivals.map(({ seed, tasks }) => ({ seed, ...tasks[task] }));
  const cells = Object.keys(ARMS).map((arm) => {
    const found = rows.map(({ values }) => values[arm]);
    return [...found, mean(found.filter((value) => value !== undefined))].map(two);
  });
  const columns = ['arm', ...rows.map(({ seed }) => `seed ${seed}`), 'mean', 'strategy minus arm', '95 %', 'verdict'];
  return [
    '',
    `### ${task}`,
    '',
    `| ${columns.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(rows.length + 2)} --- | --- |`,
    ...Object.entries(ARMS).map(
      ([arm, [, words]], place) => `| ${[words, ...cells[place], ...comparison(rows, arm)].join(' | ')} |`,
    ),
  ];
}

/** The mean difference over the seeds that have the arm, its interval, and what that says. */
function comparison(rows, arm) {
  if (!RIVALS.includes(arm)) return ['', '', ''];
  const both = rows.filter(({ differences: { [arm]: found = [] } }) => found.length > 0);
  if (both.length === 0) return ['–', '–', '–'];
  const replicates = both.map(({ differences }) => differences[arm]);
  const difference = mean(both.map(({ values }) => values.strategy - values[arm]));
  const together = replicates[0].map((_, index) => mean(replicates.map((one) => one[index])));
  return [signed(difference), interval(together), verdict(difference, together)];
}

function verdict(difference, replicates) {
  const [low, high] = bounds(replicates);
  if (Math.abs(difference) <= MARGIN || low * high <= 0) return 'no difference shown';
  return difference > 0 ? 'the strategy wins' : 'the strategy loses';
}
