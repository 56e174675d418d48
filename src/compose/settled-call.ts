// One call of `run` and what is remembered of it when an equal one would find everything cached: which calls are the same,
// which runs may be remembered at all, and with what they looked at.
import { join, relative } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { RunEvent, RunEventBody } from '../events/run-events.ts';
import type { Delivery } from '../execute/deliver-outputs.ts';
import { readsEnvironment } from '../execute/job-environment.ts';
import type { Plan } from '../plan/plan.ts';
import { recallSettled, rememberSettled, type SettledRun } from '../store/settled-run.ts';
import { overrideFiles } from '../store/overrides.ts';
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
  readonly delivery: Delivery;
}

/** Before a run: what it looks at beside what the workflow names. */
export function noteProgram(store: Store, installFolder: string): void {
  for (const file of ['headgate.js', 'worker.js', 'build.json']) store.stats.looks.note(join(installFolder, file));
  store.stats.looks.note(store.layout.overrides);
  for (const path of overrideFiles(store.layout)) store.stats.looks.note(path);
}

/** Remembers a run after which an equal one would restore everything, when all that it looks at can be told from its stamp. */
export async function rememberCall(call: Call, { plan, store, events, delivery }: EndedRun): Promise<void> {
  const end = events.at(-1);
  if (end?.type !== 'run-finished' || end.outcome !== 'succeeded') return;
  const told = toldAgain(events.slice(0, -1));
  if (told === undefined) return;
  // Planning tells them, and what is told again is not planned.
  if (plan.warnings !== undefined) return;
  // Programs of packages are found, and the environment is read, in ways that leave no stamp.
  if (plan.stages.some((stage) => stage.runsOn === 'program' || readsEnvironment(stage))) return;
  const { looks } = store.stats;
  await wait(looks.settlingMs());
  const looked = looks.all();
  if (looked === undefined) return;
  await rememberSettled(store.layout, workflowOf(call), {
    asked: askedBy(call),
    looks: looked,
    records: store.actions.recalled(),
    objects: store.stats.vouchedObjects(),
    events: told,
    counts: countsOf(told),
    delivery: deliveredAgain(delivery),
  });
}

/** What an equal run finds: removed and moved aside was this time. */
function deliveredAgain({ files, notDelivered }: Delivery): JsonObject {
  return {
    files: files.map((one) => ({ ...one })),
    notDelivered: notDelivered.map((one) => ({ ...one })),
    removed: [],
    kept: [],
  };
}

/**
 * What an equal run tells before its end: the same where this one restored everything, and where it worked, that its results
 * are there. Undefined when anything happened that might happen again, or otherwise.
 */
function toldAgain([opening, ...events]: readonly RunEvent[]): readonly RunEventBody[] | undefined {
  if (opening?.type !== 'run-started') return undefined;
  const told: RunEventBody[] = [bodyOf(opening)];
  for (const event of events) {
    const again = eventAgain(event);
    if (again === undefined) return undefined;
    if (again !== 'past') told.push(again);
  }
  return told;
}

/** 'past': it only led to what the stage ended with. */
function eventAgain(event: RunEvent): RunEventBody | 'past' | undefined {
  switch (event.type) {
    case 'stage-started':
    case 'stage-waiting':
    case 'stage-retried':
    case 'job-reported':
      return 'past';
    case 'stage-succeeded': {
      const { run: madeBy, stage, key, outputs, summary, facts } = event;
      return {
        type: 'stage-restored',
        stage,
        key,
        outputs,
        summary,
        madeBy,
        ...(facts === undefined ? {} : { facts }),
      };
    }
    case 'gate-decided': {
      // An override is named with its person and time; the folder of overrides is looked at too.
      const { type, stage, chosen, verdict, short } = event;
      return { type, stage, chosen, verdict, cached: true, ...(short === undefined ? {} : { short }) };
    }
    case 'stage-restored':
    case 'stage-not-taken':
      return bodyOf(event);
    default:
      return undefined;
  }
}

function countsOf(told: readonly RunEventBody[]): { readonly [state: string]: number } {
  const counts: { [state: string]: number } = {};
  for (const { type } of told) {
    const state = type === 'stage-restored' ? 'cached' : type === 'stage-not-taken' ? 'not-taken' : undefined;
    if (state !== undefined) counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
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
