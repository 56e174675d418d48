// One call of `run` and what is remembered of it when it found everything cached: which calls are the same, which runs may be
// remembered at all, and with what they looked at.
import { join, relative } from 'node:path';
import type { RunEvent, RunEventBody } from '../events/run-events.ts';
import { readsEnvironment } from '../execute/job-environment.ts';
import type { Plan } from '../plan/plan.ts';
import { recallSettled, rememberSettled, type SettledRun } from '../store/settled-run.ts';
import type { Store } from '../store/store.ts';
import { digestJson } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';

export interface Call {
  /** Absolute. */
  readonly file: string;
  /** Absolute. */
  readonly root: string;
  readonly installFolder: string;
  /** What was asked, as the journal keeps it. */
  readonly options: JsonObject;
}

export function recallCall(store: Store, call: Call): SettledRun | undefined {
  return recallSettled(store.layout, workflowOf(call), askedBy(call));
}

export interface EndedRun {
  readonly plan: Plan;
  readonly store: Store;
  readonly events: readonly RunEvent[];
  /** What was told at the end beside the events. */
  readonly files: readonly JsonObject[];
}

/** Before a run: the program is among what it looks at. */
export function noteProgram(store: Store, installFolder: string): void {
  for (const file of ['headgate.js', 'worker.js', 'build.json']) store.stats.looks.note(join(installFolder, file));
}

/** Remembers a run that restored everything, when all that it looked at can be told from its stamp. */
export async function rememberCall(call: Call, { plan, store, events, files }: EndedRun): Promise<void> {
  const end = events.at(-1);
  if (end?.type !== 'run-finished' || end.outcome !== 'succeeded') return;
  if (!events.slice(0, -1).every((event, index) => isRepeatable(event, index))) return;
  // Programs of packages are found, and the environment is read, in ways that leave no stamp.
  if (plan.stages.some((stage) => stage.runsOn === 'program' || readsEnvironment(stage))) return;
  store.stats.looks.note(store.layout.overrides);
  const looks = store.stats.looks.all();
  if (looks === undefined) return;
  await rememberSettled(store.layout, workflowOf(call), {
    asked: askedBy(call),
    looks,
    records: store.actions.recalled(),
    objects: store.stats.vouchedObjects(),
    events: events.slice(0, -1).map(bodyOf),
    counts: end.counts,
    files,
  });
}

function isRepeatable(event: RunEvent, index: number): boolean {
  switch (event.type) {
    case 'run-started':
      return index === 0;
    case 'gate-decided':
      // An override is named with its person and time; the folder of overrides is looked at too.
      return event.cached;
    case 'stage-restored':
    case 'stage-not-taken':
      return true;
    default:
      return false;
  }
}

function bodyOf({ run: _run, seq: _seq, time: _time, ...body }: RunEvent): RunEventBody {
  return body;
}

function workflowOf({ root, file }: Call): string {
  return relative(root, file);
}

function askedBy({ file, root, installFolder, options }: Call): SettledRun['asked'] {
  return digestJson('headgate-call', 1, { file, root, installFolder, options, node: process.version });
}
