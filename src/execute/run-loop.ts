// The main loop: looks at every stage whose surroundings have changed, restores what is known, runs what is not, and ends
// when nothing moves any more. It decides when; what a stage does is in `run-stage.ts`, what edges mean in `edges.ts`.
import type { StageFailure } from '../events/failures.ts';
import type { StageId } from '../events/ids.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import type { LatestKeys } from '../store/actions.ts';
import type { GateOverrides } from '../store/overrides.ts';
import type { Digest } from '../support/digest.ts';
import { deferred } from '../support/deferred.ts';
import { unreachable } from '../support/result.ts';
import { announceRestored, announceShortage } from './announce.ts';
import { decide } from './decide.ts';
import { DistinctKeys } from './distinct-keys.ts';
import { readinessOf, resultIn, type ResolvedInput, type StageInputs } from './edges.ts';
import { stopReason } from './engine-stages.ts';
import { gatherEvidence } from './gather-evidence.ts';
import { readOutside, staticPreImage } from './key.ts';
import type { KeysInFlight } from './keys-in-flight.ts';
import { OpenWork } from './open-work.ts';
import { decisionKey } from './override-key.ts';
import type { Recorder } from './recorder.ts';
import { needsOf, type Hold, type ResourcePool } from './resources.ts';
import { RunState, type LoopResults } from './run-state.ts';
import { runStage, type StageRunContext } from './run-stage.ts';
import { thrownFailure } from './thrown-failure.ts';
import { StagesAtWork, type StopSignals, type Superseded } from './stages-at-work.ts';

export type LoopEnd = 'done' | 'failed' | Ending;

/** Why nothing new starts: a stop stage, an interrupt, or another run of the same workflow has taken over. */
type Ending = 'stopped' | 'interrupted' | 'superseded';

export interface LoopSettings {
  readonly plan: Plan;
  readonly context: Omit<StageRunContext, keyof StopSignals>;
  readonly recorder: Recorder;
  readonly latest: LatestKeys;
  /** What people decided in place of gates, by stage. */
  readonly overrides: GateOverrides;
  readonly pool: ResourcePool;
  /** Stages that run even if a record exists. */
  readonly forced: ReadonlySet<StageId>;
  readonly keysInFlight: KeysInFlight;
  /** Without it nothing new starts after a failure; what runs goes on to its end. */
  readonly keepGoing: boolean;
}

/** A lost output may be made again so many times before the disk is to blame. */
const MAX_REPAIRS = 2;

export class RunLoop {
  private readonly settings: LoopSettings;
  private readonly state: RunState;
  private readonly forced: Set<StageId>;
  private readonly atWork = new StagesAtWork();
  private readonly keys = new DistinctKeys();
  private readonly finished = deferred<LoopEnd>();
  private readonly ended = deferred<undefined>();
  private readonly open = new OpenWork({
    // Nothing can be told any more: jobs are asked to end, and with the last one the run does.
    onBroken: () => this.interrupt(),
    onIdle: (broken) => this.settle(broken),
  });
  private ending: Ending | undefined;
  /** A stage failed and the run is not to keep going. */
  private windingUp = false;

  constructor(settings: LoopSettings) {
    this.settings = settings;
    this.state = new RunState(settings.plan);
    this.forced = new Set(settings.forced);
  }

  run(): Promise<LoopEnd> {
    this.open.track(() => {
      for (const stage of this.state.all()) this.consider(stage.id);
      return Promise.resolve();
    });
    return this.finished.promise;
  }

  /** Nothing new starts, running jobs write a resume state and end. */
  interrupt(): void {
    this.end('interrupted');
    this.atWork.checkpointAll();
  }

  kill(): void {
    this.atWork.killAll();
  }

  /** Nothing new starts; jobs with these keys go on and are published as usual, the others write a resume state and end. */
  supersede(keep: ReadonlySet<Digest>, graceMs: number): Superseded {
    this.end('superseded');
    return this.atWork.stopAllBut(keep, graceMs);
  }

  /** What there is of it so far. */
  results(): LoopResults {
    return { ...this.state.results(), programs: this.atWork.programs };
  }

  private end(why: Ending): void {
    this.ending ??= why;
    this.ended.resolve(undefined);
    // What another run has taken over may still be tried again.
    this.settings.pool.refuse(why === 'superseded' ? 'new' : 'all');
  }

  private get startsNothing(): boolean {
    return this.windingUp || this.ending !== undefined;
  }

  private settle(broken: { readonly error: unknown } | undefined): void {
    if (broken !== undefined) this.finished.reject(broken.error);
    else if (this.ending !== undefined) this.finished.resolve(this.ending);
    else if (this.state.some('failed', 'timed-out', 'cancelled')) this.finished.resolve('failed');
    else if (this.state.some('pending')) this.finished.reject(new Error('stages are left that nothing can start'));
    else this.finished.resolve('done');
  }

  /** Judges a stage by its edges; what can be settled at once is, and whatever follows is looked at in turn. */
  private consider(first: StageId): void {
    const queue = [first];
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const entry = this.state.entry(id);
      if (entry.state !== 'pending' || entry.busy) continue;
      const readiness = readinessOf(entry.stage, this.state.view);
      switch (readiness.is) {
        case 'waiting':
          break;
        case 'not-taken':
          this.state.skip(id, readiness.gate, readiness.chosen);
          this.settings.recorder.emit({
            type: 'stage-not-taken',
            stage: id,
            gate: readiness.gate,
            chosen: readiness.chosen,
          });
          queue.push(...this.state.dependentsOf(id));
          break;
        case 'blocked':
          this.state.block(id, readiness.by);
          this.settings.recorder.emit({ type: 'stage-blocked', stage: id, by: readiness.by });
          queue.push(...this.state.dependentsOf(id));
          break;
        case 'ready': {
          if (this.startsNothing) break;
          entry.busy = true;
          this.settings.pool.expect(entry.order);
          const { stage } = entry;
          this.open.track(() => this.advance(stage, readiness.inputs));
          break;
        }
        default:
          unreachable(readiness);
      }
    }
  }

  private async advance(stage: PlannedStage, inputs: StageInputs): Promise<void> {
    if (stage.kind === 'stop') this.stop(stage);
    else await this.restoreOrRun(stage, inputs).catch((error: unknown) => this.failThrown(stage, error));
    const entry = this.state.entry(stage.id);
    this.settings.pool.dismiss(entry.order);
    entry.busy = false;
    if (entry.stale) {
      entry.stale = false;
      for (const id of this.state.reopen(stage.id)) this.consider(id);
    }
    this.consider(stage.id);
    for (const id of this.state.dependentsOf(stage.id)) this.consider(id);
  }

  private stop(stage: PlannedStage): void {
    this.state.move(stage.id, 'succeeded');
    this.state.finish(stage.id, { outputs: {} });
    const gates = stage.after.flatMap((after) => (after.kind === 'case' ? [after.ref.gate] : []));
    this.settings.recorder.emit({ type: 'run-stopped', stage: stage.id, reason: stopReason(stage), gates });
    this.end('stopped');
    this.atWork.checkpointAll();
  }

  private async restoreOrRun(stage: PlannedStage, inputs: StageInputs): Promise<void> {
    const { context, latest, recorder, keysInFlight } = this.settings;
    const { store } = context;
    const outside = await readOutside(stage, store);
    if (!outside.ok) return this.fail(stage, outside.error);
    const measured = this.keys.keyOf(stage, staticPreImage(stage, context.embedded.code, outside.value), inputs);
    const key = decisionKey(stage, measured, this.settings.overrides);
    if (key.damaged !== undefined) return this.fail(stage, { reason: 'override-damaged', path: key.damaged });
    if (key.lapsed !== undefined) recorder.emit({ type: 'override-lapsed', stage: stage.id, override: key.lapsed });
    for (let other = keysInFlight.of(key.key); other !== undefined; other = keysInFlight.of(key.key)) {
      this.settings.pool.dismiss(this.state.entry(stage.id).order);
      const failure = await Promise.race([other.ended, this.ended.promise]);
      if (this.ending !== undefined) return;
      if (failure !== undefined && other.run !== recorder.run) {
        this.fail(stage, failure);
        return;
      }
    }
    const release = keysInFlight.begin(key.key, recorder.run, stage.id);
    let failure: StageFailure | undefined;
    try {
      const forced = this.forced.has(stage.id);
      const decision = decide(await gatherEvidence(store, latest, stage, key, forced));
      if (decision.action === 'restore') {
        const ran = this.state.entry(stage.id).ran;
        this.state.move(stage.id, ran ? 'succeeded' : 'cached');
        this.state.finish(stage.id, resultIn(decision.record));
        latest.set(stage.id, decision.record.key);
        if (!ran) announceRestored(recorder, stage, decision.record); // else made in this run and only looked at again
        return;
      }
      const needs = needsOf(stage);
      const hold = this.settings.pool.hold(needs, this.state.entry(stage.id).order);
      try {
        if (Object.keys(needs).length > 0 && !(await hold.take())) return;
        if (this.startsNothing) return;
        announceShortage(recorder, stage.id, this.settings.pool, needs);
        failure = await this.work(stage, key, inputs, decision.cause, hold);
      } finally {
        hold.giveBack();
      }
    } finally {
      release(failure);
    }
  }

  private async work(
    stage: PlannedStage,
    key: Parameters<typeof runStage>[2],
    inputs: StageInputs,
    cause: Parameters<typeof runStage>[4],
    hold: Hold,
  ): Promise<StageFailure | undefined> {
    this.state.move(stage.id, 'running');
    const context = { ...this.settings.context, ...this.atWork.begin(stage, key.key) };
    const end = await runStage(context, stage, key, inputs, cause, hold).finally(() => this.atWork.end(stage.id));
    switch (end.end) {
      case 'succeeded':
        this.forced.delete(stage.id);
        this.state.move(stage.id, 'succeeded');
        this.state.finish(stage.id, end.result);
        this.settings.latest.set(stage.id, key.key);
        if (this.ending !== 'superseded') await this.settings.latest.saveNowAndThen();
        break;
      case 'failed':
        this.moveToFailed(stage.id, end.failure);
        return end.failure;
      case 'cancelled':
        this.state.move(stage.id, 'cancelled');
        break;
      case 'done-elsewhere':
        this.state.move(stage.id, 'pending');
        break;
      case 'input-lost':
        this.state.move(stage.id, 'pending');
        this.repair(stage, end.input);
        break;
      default:
        return unreachable(end);
    }
    return undefined;
  }

  /** Trouble with one stage is that stage's; trouble with the journal, which throws again here, is the whole run's. */
  private failThrown(stage: PlannedStage, error: unknown): void {
    const { state } = this.state.entry(stage.id);
    if (state !== 'pending' && state !== 'running') throw error;
    this.fail(stage, thrownFailure(error));
  }

  private fail(stage: PlannedStage, failure: StageFailure): void {
    this.moveToFailed(stage.id, failure);
    this.settings.recorder.emit({ type: 'stage-failed', stage: stage.id, failure });
  }

  private moveToFailed(id: StageId, { reason }: StageFailure): void {
    this.state.move(id, reason === 'timed-out' ? 'timed-out' : 'failed');
    if (this.settings.keepGoing) return;
    this.windingUp = true;
    this.settings.pool.refuse('new');
  }

  /** The producer of a lost object runs again, and everything that follows from it is looked at again. */
  private repair(stage: PlannedStage, { from: named, output, port }: ResolvedInput): void {
    const from = this.state.makerOf(named);
    const producer = this.state.entry(from.stage);
    producer.reopened++;
    if (producer.reopened > MAX_REPAIRS) {
      this.fail(stage, { reason: 'object-damaged', port, digest: output.digest, times: MAX_REPAIRS + 1 });
      return;
    }
    this.settings.recorder.emit({ type: 'stage-reopened', stage: from.stage, port: from.port, digest: output.digest });
    for (const id of this.state.reopen(from.stage)) this.consider(id);
  }
}
