// The workload as a headgate workflow of `command` stages, and the same number of gates: stages of the engine's own process.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { project } from '../project.mjs';
import { deriving, writeFiles } from '../workload.mjs';

export const headgateBin = process.env.HEADGATE_BENCH_BIN ?? join(project, 'bin', 'headgate.js');

export const headgate = {
  name: 'headgate',
  write(folder, stages) {
    writeFiles(folder, { 'workflow.json': { name: 'bench', stages: Object.fromEntries(stages.map(commandStage)) } });
  },
  argv: ({ jobs }) => headgateArgv('run', 'workflow.json', ...(jobs === undefined ? [] : ['--jobs', String(jobs)])),
  forget: (folder) => rmSync(join(folder, '.headgate'), { recursive: true, force: true }),
  /** Whether the newest run executed anything: the journal says. */
  isIdle: (folder) => !eventsOfNewestRun(folder).some(({ type }) => type === 'stage-started'),
};

/** @returns the journals of a store, oldest run first, as lists of events. */
export function journals(root) {
  const runs = join(root, '.headgate', 'runs');
  return readdirSync(runs)
    .sort()
    .filter((run) => existsSync(join(runs, run, 'events.jsonl')))
    .map((run) => eventsIn(readFileSync(join(runs, run, 'events.jsonl'), 'utf8')));
}

export function eventsOfNewestRun(root) {
  return journals(root).at(-1) ?? [];
}

export function eventsIn(jsonLines) {
  return jsonLines
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

export function headgateArgv(...args) {
  return [process.execPath, headgateBin, ...args];
}

function commandStage({ name, needs, reads, writes, shell }) {
  const files = needs === null || writes === null ? { files: [reads] } : {};
  // `true` ignores its argument; without it all such stages would be one piece of work with one key.
  if (writes === null) {
    const stage = { kind: 'command', with: { argv: [shell, name], outputs: {}, ...files } };
    return [name, needs === null ? stage : { ...stage, after: needs }];
  }
  const input = needs === null ? reads : '{input:in}';
  const outputs = { out: { type: 'file', path: `${name}.txt` } };
  const argv = ['sh', '-c', deriving(name, quoted(input), quoted('{output:out}'))];
  const stage = { kind: 'command', with: { argv, outputs, ...files } };
  return [name, needs === null ? stage : { ...stage, inputs: { in: `${needs}.out` } }];
}

function quoted(path) {
  return `"${path}"`;
}

/** `stages` gates on one metrics file, each with a threshold of its own, all at once or one after the other. */
export function gateWorkflow(stages, shape) {
  const metrics = {
    format: 'headgate-metrics',
    version: 1,
    task: 'bench',
    primary: 'accuracy',
    values: { accuracy: 0.5 },
    units: { accuracy: 'fraction' },
    higherIsBetter: { accuracy: true },
  };
  const measured = {
    kind: 'command',
    with: {
      argv: ['sh', '-c', `echo '${JSON.stringify(metrics)}' > "$1"`, 'measure', '{output:metrics}'],
      outputs: { metrics: { type: 'metrics', path: 'metrics.json' } },
    },
  };
  const gates = Array.from({ length: stages - 1 }, (_, index) => [
    `gate${index}`,
    {
      kind: 'gate',
      inputs: { metrics: 'measure.metrics' },
      ...(shape === 'chain' && index > 0 ? { after: `gate${index - 1}` } : {}),
      cases: [
        { name: 'pass', criteria: [{ metric: 'primary', atLeast: (index + 1) / (2 * stages) }] },
        { name: 'short', else: true },
      ],
    },
  ]);
  return { name: 'bench gates', stages: { measure: measured, ...Object.fromEntries(gates) } };
}
