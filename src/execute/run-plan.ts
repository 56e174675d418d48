// A run from start to end: its folder, lock, journal and loop. Whoever starts it listens to its events and may interrupt it.
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { RunId, StageId } from '../events/ids.ts';
import type { RunEventBody, StageOutline } from '../events/run-events.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import { LatestKeys } from '../store/actions.ts';
import { Journal } from '../store/journal.ts';
import { lockRun, newRunId, runFolder, unlockRun } from '../store/runs.ts';
import { sweepDrafts, type Store } from '../store/store.ts';
import type { JsonObject } from '../support/json.ts';
import { errorCode } from '../support/missing-files.ts';
import type { EmbeddedBackend, Executor } from './ports.ts';
import { Recorder, type RunListener } from './recorder.ts';
import { ResourcePool } from './resources.ts';
import { RunLoop, type LoopEnd } from './run-loop.ts';

export interface RunSettings {
  readonly plan: Plan;
  readonly store: Store;
  readonly executor: Executor;
  readonly embedded: EmbeddedBackend;
  readonly listeners: readonly RunListener[];
  /** As given by the user, journaled for `resume`. */
  readonly options: JsonObject;
  readonly headgate: string;
  /** Jobs at once; by default as many as the cpu tokens allow. */
  readonly jobs?: number;
  /** Sizes of resource tokens; `cpu` is the number of available cores unless given. */
  readonly resources?: { readonly [token: string]: number };
  readonly forced?: ReadonlySet<StageId>;
  readonly faults?: ReadonlyMap<StageId, JsonObject>;
  /** An earlier run to go on with: same id, same journal. */
  readonly continues?: {
    readonly run: RunId;
    readonly nextSeq: number;
    readonly soundBytes: number;
    readonly tornBytes: number;
  };
  /** Between asking a job to end and killing it. */
  readonly graceMs?: number;
  readonly orphanGraceMs?: number;
}

export interface RunOutcome {
  readonly run: RunId;
  readonly outcome: 'succeeded' | 'failed' | 'stopped' | 'interrupted';
  readonly exitCode: 0 | 1 | 3 | 130;
}

export interface RunHandle {
  readonly run: RunId;
  readonly finished: Promise<RunOutcome>;
  /** First: running jobs write a resume state and the run ends. Again: they are killed. */
  interrupt(signal: string): void;
}

/** Long enough for a training step and its resume state on a slow machine; Ctrl-C again does not wait. */
const DEFAULT_GRACE_MS = 60_000;
const DEFAULT_ORPHAN_GRACE_MS = 20_000;

export async function startRun(settings: RunSettings): Promise<RunHandle> {
  const { plan, store, continues } = settings;
  const startedAt = Date.now();
  const run = continues?.run ?? newRunId(new Date(startedAt));
  const folder = runFolder(store.layout, run);
  const journal = Journal.open(folder, continues?.soundBytes);
  await lockRun(folder);
  await keepOutOfGit(store.layout.home);
  const recorder = new Recorder(run, journal, settings.listeners, continues?.nextSeq);
  store.onQuarantine(({ digest, found, movedTo }) =>
    recorder.emit({ type: 'object-quarantined', digest, found, movedTo }),
  );
  const [checkpoint, kill] = [new AbortController(), new AbortController()];
  const cpu = settings.resources?.['cpu'] ?? availableParallelism();
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  const loop = new RunLoop({
    plan,
    recorder,
    checkpoint,
    latest,
    pool: new ResourcePool({ ...settings.resources, cpu, job: settings.jobs ?? Number.MAX_SAFE_INTEGER }),
    forced: settings.forced ?? new Set(),
    context: {
      store,
      recorder,
      executor: settings.executor,
      embedded: settings.embedded,
      runFolder: folder,
      graceMs: settings.graceMs ?? DEFAULT_GRACE_MS,
      orphanGraceMs: settings.orphanGraceMs ?? DEFAULT_ORPHAN_GRACE_MS,
      checkpoint: checkpoint.signal,
      kill: kill.signal,
      faults: settings.faults ?? new Map(),
    },
  });

  recorder.emit(openingOf(settings));
  if (continues !== undefined && continues.tornBytes > 0) {
    recorder.emit({ type: 'journal-repaired', droppedBytes: continues.tornBytes });
  }
  const finished = loop.run().then(async (end): Promise<RunOutcome> => {
    const result = OUTCOMES[end];
    recorder.emit({ type: 'run-finished', ...result, milliseconds: Date.now() - startedAt, counts: loop.counts() });
    journal.close();
    await latest.save();
    await store.stats.save();
    await sweepDrafts(store.layout);
    await unlockRun(folder);
    return { run, ...result };
  });
  let interrupts = 0;
  return {
    run,
    finished,
    interrupt: (signal) => {
      interrupts++;
      if (interrupts > 1) kill.abort();
      else {
        recorder.emit({ type: 'run-interrupted', signal });
        loop.interrupt();
      }
    },
  };
}

/** The store is not for version control, and nobody should have to say so. */
async function keepOutOfGit(home: string): Promise<void> {
  await writeFile(join(home, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}

const OUTCOMES: { readonly [end in LoopEnd]: Omit<RunOutcome, 'run'> } = {
  done: { outcome: 'succeeded', exitCode: 0 },
  failed: { outcome: 'failed', exitCode: 1 },
  stopped: { outcome: 'stopped', exitCode: 3 },
  interrupted: { outcome: 'interrupted', exitCode: 130 },
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
  };
}
