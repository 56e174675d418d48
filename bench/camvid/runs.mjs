// Runs of workflows/camvid.json, and what their reports and artifacts say.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { headgate, proofsOf, stepsOf } from '../headgate.mjs';

/** Arm → pattern of the stages that train in it. */
const TRAINING = {
  strategy: /^(base|wider|head\[)/,
  equal: /^equal/,
  joint: /^joint$/,
  longer: /^float-longer/,
};

const FLOAT = /^(frames|net|trunk|float)/;

export class Runs {
  constructor({ data, root, set = [] }) {
    this.data = data;
    this.set = set;
    this.root = resolve(root);
  }

  /** One more run, or what is cached of it. A run that a gate stopped (exit 3) is a result. */
  of(set, { params, until = [] } = {}) {
    const args = ['run', 'workflows/camvid.json', '--root', this.root];
    if (params !== undefined) args.push('--params', params);
    for (const word of [`data.folder=${this.data}`, ...this.set, ...set]) args.push('--set', word);
    for (const stage of until) args.push('--until', stage);
    const { report, status } = headgate(args, [0, 3]);
    const ran = report.stages.filter(({ state }) => state === 'succeeded').length;
    console.error(`${set.join(' ')}: exit ${status}, ${ran} stages ran`);
    return new Run(report, status, this.root);
  }

  /** File names without extension, in the split's order. */
  frames(split) {
    return readFileSync(join(this.data, `${split}.txt`), 'utf8')
      .trim()
      .split('\n')
      .map((name) => name.replace(/\.jpg$/, ''));
  }
}

/** Root and run → key → milliseconds that its job took. */
const times = new Map();

function timesOf(root, run) {
  const name = `${root} ${run}`;
  if (!times.has(name)) {
    const { report } = headgate(['status', run, '--root', root], [0, 1, 3]);
    times.set(name, new Map(report.stages.map(({ key, milliseconds }) => [key, milliseconds])));
  }
  return times.get(name);
}

class Run {
  constructor({ stages, stopped }, exitCode, root) {
    this.stages = stages;
    this.stopped = stopped;
    this.exitCode = exitCode;
    this.root = root;
  }

  metrics(role, task) {
    return this.artifact(role, task, 'metrics');
  }

  details(role, task) {
    return this.artifact(role, task, 'details')?.images;
  }

  /** Undefined where the run did not come to it. */
  artifact(role, task, port) {
    const file = this.file(role, task, port);
    return file === undefined ? undefined : JSON.parse(readFileSync(file, 'utf8'));
  }

  file(role, task, port) {
    const stage = this.stages.find((candidate) => candidate.role === role && candidate.task === task);
    const digest = stage?.outputs?.[port]?.digest;
    return digest === undefined ? undefined : join(this.root, '.headgate/objects', digest.slice(0, 2), digest);
  }

  /** Arm → scope → steps that it was trained after the float model. */
  steps() {
    return Object.fromEntries(Object.entries(TRAINING).map(([arm, pattern]) => [arm, stepsOf(this.stages, pattern)]));
  }

  verdicts() {
    return Object.fromEntries(
      this.stages
        .filter(({ kind, state }) => kind === 'gate' && (state === 'succeeded' || state === 'cached'))
        .map(({ id, chosen }) => [id, chosen]),
    );
  }

  stopReason() {
    return this.stopped?.reason;
  }

  proofs() {
    return proofsOf(this.stages);
  }

  /** What the export found when it compared the file's outputs with those of VALIDATION, a line for each head. */
  exported() {
    const proofs = this.stages.flatMap(({ facts }) => facts?.proofs ?? []);
    return proofs.filter(({ name }) => name === 'export').map(({ text }) => text);
  }

  /** Working time of the float model's stages and of all others, in whichever run each was made. */
  minutes() {
    const sum = { float: 0, after: 0 };
    for (const { id, key, milliseconds, madeBy } of this.stages) {
      const time = milliseconds ?? (madeBy && timesOf(this.root, madeBy).get(key)) ?? 0;
      sum[FLOAT.test(id) ? 'float' : 'after'] += time / 60_000;
    }
    return sum;
  }
}
