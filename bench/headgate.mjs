// headgate as a user starts it, for the evidence about networks: a command line in, its JSON and exit code out.
// HEADGATE_BENCH_BIN names another headgate. What measures the engine itself starts it in engine/tools/headgate.mjs.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root as project } from '../scripts/places.mjs';

const program = process.env.HEADGATE_BENCH_BIN ?? join(project, 'bin', 'headgate.js');

/** @param accepted exit codes that are results; 3: a gate stopped the run. */
export function headgate(args, accepted = [0]) {
  const { stdout, status } = spawnSync(process.execPath, [program, ...args, '--json'], {
    cwd: project,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  if (!accepted.includes(status)) throw new Error(`headgate ${args.join(' ')} ended with ${status}`);
  return { report: JSON.parse(stdout), status };
}

/** Scope → steps that the stages with such ids trained it, of any report's stages. */
export function stepsOf(stages, pattern) {
  const steps = {};
  for (const { id, kind, task, summary } of stages) {
    if (!pattern.test(id) || !['qat', 'finetune', 'train'].includes(kind) || summary?.steps === undefined) continue;
    for (const scope of summary.scopes ?? summary.trained ?? [summary.scope ?? task])
      steps[scope] = (steps[scope] ?? 0) + summary.steps;
  }
  return steps;
}

export function proofsOf(stages) {
  const all = stages.flatMap(({ facts }) => facts?.proofs ?? []);
  return { held: all.filter(({ held }) => held).length, all: all.length };
}
