// A run from start to end: its folder, lock, journal and loop. Whoever starts it listens to its events and may interrupt it.
import { availableParallelism } from 'node:os';
import type { RunId, StageId } from '../events/ids.ts';
import type { RunEventBody, StageOutline } from '../events/run-events.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import { LatestKeys } from '../store/actions.ts';
import { repairOut } from '../store/out-folder.ts';
import type { JournalDamage } from '../store/read-journal.ts';
import { overridesOf } from '../store/overrides.ts';
import type { Store } from '../store/store.ts';
import { Stopwatch, systemClock, type Clock } from '../support/clock.ts';
import type { Digest } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';
import { redactorOf, type Redactor } from '../support/redaction.ts';
import { clearUp } from './clear-up.ts';
import { deliverOutputs, NOTHING_DELIVERED, type Delivery } from './deliver-outputs.ts';
import { secretsOf } from './job-environment.ts';
import type { EmbeddedBackend, Executor } from './ports.ts';
import { keysInFlightIn } from './keys-in-flight.ts';
import { openRun } from './open-run.ts';
import type { Recorder, RunListener } from './recorder.ts';
import { ResourcePool, TokenSupply } from './resources.ts';
import { RunLoop, type LoopEnd } from './run-loop.ts';
import type { Superseded } from './stages-at-work.ts';
import { findStrayWrites, strayWords, type StrayWrites } from './stray-writes.ts';

export interface RunSettings {
  readonly plan: Plan;
  /** A new one unless given. */
  readonly run?: RunId;
  readonly store: Store;
  readonly executor: Executor;
  readonly embedded: EmbeddedBackend;
  readonly listeners: readonly RunListener[];
  /** As given by the user, journaled for `resume`. */
  readonly options: JsonObject;
  readonly headgate: string;
  /** Jobs at once; by default as many as the cpu tokens allow. */
  readonly jobs?: number;
  /** After a failure, runs everything that does not depend on it; by default nothing new starts. */
  readonly keepGoing?: boolean;
  /** Keeps what attempts that failed have written in their job folders; by default it is given back at once. */
  readonly keepFailed?: boolean;
  /** Puts final outputs under names that people know before the run counts as finished: `resume` then knows what is left. */
  readonly deliver?: boolean;
  /** For jobs whose stage names no `timeout`. */
  readonly defaultTimeoutMs?: number;
  readonly clock?: Clock;
  /** Sizes of resource tokens; `cpu` is the number of available cores unless given. */
  readonly resources?: { readonly [token: string]: number };
  /** Tokens shared with other runs of this process, instead of `jobs` and `resources`. */
  readonly tokens?: TokenSupply;
  readonly forced?: ReadonlySet<StageId>;
  readonly faults?: ReadonlyMap<StageId, JsonObject>;
  /** An earlier run to go on with: same id, same journal. */
  readonly continues?: {
    readonly run: RunId;
    readonly nextSeq: number;
    readonly soundBytes: number;
    readonly tornBytes: number;
    readonly damage?: JournalDamage;
  };
  /** Between asking a job to end and killing it. */
  readonly graceMs?: number;
  readonly orphanGraceMs?: number;
}

/** How a run ended; with `deliver` also what was copied to `.headgate/out/` and what was not. */
export interface RunOutcome extends Delivery {
  readonly run: RunId;
  readonly outcome: 'succeeded' | 'failed' | 'stopped' | 'interrupted' | 'superseded';
  readonly exitCode: 0 | 1 | 3 | 130;
  /** What gates found to be below what was asked, by task or key; also of a run that succeeded, which is then short. */
  readonly short: readonly string[];
}

export interface RunHandle {
  readonly run: RunId;
  readonly finished: Promise<RunOutcome>;
  /** First: running jobs write a resume state and the run ends. Again: they are killed. */
  interrupt(signal: string): void;
  /**
   * Another run takes over: nothing new starts here, jobs with a key of `keep` go on and are published as usual, the others
   * are asked for a resume state and killed after `graceMs`. Says which stages were at work.
   */
  supersede(by: RunId, keep: ReadonlySet<Digest>, graceMs: number): Superseded;
}

/** Long enough for a training step and its resume state on a slow machine; Ctrl-C again does not wait. */
const DEFAULT_GRACE_MS = 60_000;
const DEFAULT_ORPHAN_GRACE_MS = 20_000;

export async function startRun(settings: RunSettings): Promise<RunHandle> {
  const { plan, store, continues } = settings;
  const running = new Stopwatch();
  const { run, folder, recorder, keptAt, closeJournal, unlock } = await openRun(
    store.layout,
    settings,
    settings.listeners,
  );
  const deafen = store.onQuarantine(({ digest, found, movedTo }) =>
    recorder.emit({ type: 'object-quarantined', digest, found, movedTo }),
  );
  if (settings.deliver === true) await repairOut(store.layout);
  const pool = new ResourcePool(settings.tokens ?? tokenSupply(settings));
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  store.actions.openIndex(plan.workflow);
  const loop = new RunLoop({
    plan,
    recorder,
    latest,
    overrides: await overridesOf(store.layout, plan.workflow),
    pool,
    keysInFlight: keysInFlightIn(store.layout.home),
    forced: settings.forced ?? new Set(),
    keepGoing: settings.keepGoing ?? false,
    context: {
      store,
      recorder,
      executor: settings.executor,
      embedded: settings.embedded,
      run,
      runFolder: folder,
      graceMs: settings.graceMs ?? DEFAULT_GRACE_MS,
      orphanGraceMs: settings.orphanGraceMs ?? DEFAULT_ORPHAN_GRACE_MS,
      faults: settings.faults ?? new Map(),
      onCopies: new Set(),
      clock: settings.clock ?? systemClock,
      ...(settings.defaultTimeoutMs === undefined ? {} : { defaultTimeoutMs: settings.defaultTimeoutMs }),
      ...(settings.keepFailed === undefined ? {} : { keepFailed: settings.keepFailed }),
    },
  });

  recorder.emit(openingOf(settings));
  const repair = continues === undefined ? undefined : repairOf(continues, keptAt);
  if (repair !== undefined) recorder.emit(repair);
  let [delivering, over] = [false, false];
  const delivery = new AbortController();
  let cutShort: LoopEnd | undefined;
  const cut = (how: LoopEnd): void => {
    cutShort ??= how;
    delivery.abort();
  };
  /** Lets go of locks and files after an error that ends the run, so that nobody has to remove a lock by hand. */
  const abandon = (): void => {
    over = true;
    for (const step of [deafen, () => pool.close(), closeJournal, unlock]) {
      try {
        step();
      } catch {
        // The error that ended the run is the one to tell.
      }
    }
  };
  const working = loop.run().then(async (end): Promise<RunOutcome> => {
    delivering = true;
    const { counts, outputs, states, short, programs } = loop.results();
    if (end === 'done' || end === 'failed' || end === 'stopped') {
      const redactor = redactorOf(secretsOf(plan.stages));
      for (const stray of await findStrayWrites(store.layout.root, programs)) tellStray(recorder, stray, redactor);
    }
    const delivers = settings.deliver === true && end !== 'superseded';
    const ended = { outputs, states, whole: end === 'done' };
    const delivered = delivers ? await deliverOutputs(store, plan, ended, delivery.signal) : NOTHING_DELIVERED;
    over = true;
    const result = OUTCOMES[cutShort ?? end];
    const { milliseconds } = running;
    const fallenShort = short.length === 0 ? {} : { short };
    recorder.emit({ type: 'run-finished', ...result, milliseconds, counts, ...fallenShort });
    closeJournal();
    deafen();
    pool.close();
    if (result.outcome !== 'superseded') await latest.save(); // the run that took over knows better
    await store.stats.save();
    await store.actions.saveIndex();
    await clearUp(store, settings.executor, continues !== undefined);
    unlock();
    return { run, ...result, short, ...delivered };
  });
  const finished = working.catch((error: unknown) => {
    abandon();
    throw error;
  });
  let [interrupts, supersedes] = [0, 0];
  return {
    run,
    finished,
    interrupt: (signal) => {
      if (over) return;
      interrupts++;
      if (interrupts > 1) loop.kill();
      else {
        recorder.emit({ type: 'run-interrupted', signal });
        if (delivering) cut('interrupted');
        else loop.interrupt();
      }
    },
    supersede: (by, keep, graceMs) => {
      if (over) return { kept: [], stopped: [] };
      if (supersedes++ === 0) recorder.emit({ type: 'run-superseded', by });
      if (delivering) cut('superseded'); // or older files could replace those of the run that takes over
      return loop.supersede(keep, graceMs);
    },
  };
}

function repairOf(
  { tornBytes, damage }: NonNullable<RunSettings['continues']>,
  keptAt: string | undefined,
): RunEventBody | undefined {
  if (damage === undefined) return tornBytes > 0 ? { type: 'journal-repaired', droppedBytes: tornBytes } : undefined;
  return {
    type: 'journal-repaired',
    droppedBytes: tornBytes,
    lostEvents: damage.lines + damage.missing,
    ...(keptAt === undefined ? {} : { keptAt }),
  };
}

function tellStray(recorder: Recorder, stray: StrayWrites, redactor: Redactor): void {
  const [stage] = stray.stages;
  if (stage === undefined) return;
  const event = { type: 'note', level: 'warning', text: redactor.text(strayWords(stray)) } as const;
  recorder.emit({ type: 'job-reported', stage, event });
}

/** Tokens for one run, or for all runs of a process that are handed the same supply. */
export function tokenSupply({ jobs, resources }: Pick<RunSettings, 'jobs' | 'resources'>): TokenSupply {
  const cpu = resources?.['cpu'] ?? availableParallelism();
  return new TokenSupply({ ...resources, cpu, job: jobs ?? Number.MAX_SAFE_INTEGER });
}

const OUTCOMES: { readonly [end in LoopEnd]: Pick<RunOutcome, 'outcome' | 'exitCode'> } = {
  done: { outcome: 'succeeded', exitCode: 0 },
  failed: { outcome: 'failed', exitCode: 1 },
  stopped: { outcome: 'stopped', exitCode: 3 },
  interrupted: { outcome: 'interrupted', exitCode: 130 },
  superseded: { outcome: 'superseded', exitCode: 0 },
};

function openingOf({ plan, options, headgate, continues }: RunSettings): RunEventBody {
  const opening = { pid: process.pid, headgate, stages: plan.stages.map(outlineOf) };
  if (continues !== undefined) return { type: 'run-resumed', ...opening };
  const { workflow, name, params } = plan;
  return { type: 'run-started', workflow, name, params, options, ...opening };
}

export function outlineOf(stage: PlannedStage): StageOutline {
  return {
    id: stage.id,
    name: stage.name,
    kind: stage.kind,
    ...(stage.task === undefined ? {} : { task: stage.task }),
    ...(stage.role === undefined ? {} : { role: stage.role }),
    ...(stage.profile === undefined ? {} : { profile: stage.profile }),
  };
}
