// What a run would do, before it does it: for each stage restored, run (and why), run unless what comes before it turns out
// unchanged, not taken, or unknown until a gate has decided. Reads the store, starts nothing.
import type { StageFailure } from '../events/failures.ts';
import type { StageId } from '../events/ids.ts';
import type { RunCause } from '../events/run-events.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import type { ActionRecord, LatestKeys } from '../store/actions.ts';
import { overridesOf, type GateOverrides } from '../store/overrides.ts';
import type { Store } from '../store/store.ts';
import type { JsonObject } from '../support/json.ts';
import { AnnouncedTexts } from './announced-texts.ts';
import { AnnouncedWork } from './announced-work.ts';
import { changesOfKey } from './changes.ts';
import { decide } from './decide.ts';
import { DistinctKeys } from './distinct-keys.ts';
import { areAllInputs, readinessOf, resultIn, type StageInputs, type StageView } from './edges.ts';
import { evaluateEngineStage, stopReason } from './engine-stages.ts';
import { decisionForecast, withConditions, type GateForecast } from './gate-forecast.ts';
import { gatherEvidence } from './gather-evidence.ts';
import { formerPreImage, readOutside, inputDigests, staticPreImage } from './key.ts';
import { decisionKey } from './override-key.ts';
import type { EmbeddedBackend } from './ports.ts';
import { hasMatchingRecord, recordIndex, type RecordIndex } from './record-index.ts';

export type StageForecast = { readonly stage: StageId; readonly decision?: GateForecast } &
  /** With `until`: restored if it is taken at all, which these gates have yet to decide; it does not run in any case. */
  (
    | {
        readonly will: 'restore';
        readonly key: string;
        /** The run that made it; undefined when a stage of this very run does, which has the same key. */
        readonly madeBy?: string;
        readonly sharedWith?: StageId;
        readonly chosen?: string;
        readonly until?: readonly StageId[];
      }
    /** Certain. With its key where all inputs are known; `estimateMs` is how long it took last time, where there was one. */
    | {
        readonly will: 'run';
        readonly cause: RunCause;
        readonly key?: string;
        readonly chosen?: string;
        readonly estimateMs?: number;
      }
    /** Runs unless the named stages, which run or may run before it, give what they gave before. */
    | { readonly will: 'run-unless-unchanged'; readonly behind: readonly StageId[]; readonly estimateMs?: number }
    /** Cannot be known until these gates have decided. */
    | { readonly will: 'unknown'; readonly until: readonly StageId[] }
    | { readonly will: 'not-taken'; readonly gate: StageId; readonly chosen: string }
    | { readonly will: 'stop-the-run'; readonly reason: string }
    | { readonly will: 'fail'; readonly failure: StageFailure }
    | { readonly will: 'be-blocked'; readonly by: StageId }
  );

export interface ForecastSettings {
  readonly plan: Plan;
  readonly store: Store;
  readonly latest: LatestKeys;
  readonly code: EmbeddedBackend['code'];
  readonly forced: ReadonlySet<StageId>;
}

export async function forecastRun(settings: ForecastSettings): Promise<readonly StageForecast[]> {
  const views = new Map<StageId, StageView>();
  const forecasts = new Map<StageId, StageForecast>();
  settings.store.actions.openIndex(settings.plan.workflow);
  const overrides = await overridesOf(settings.store.layout, settings.plan.workflow);
  const context = {
    ...settings,
    overrides,
    index: recordIndex(settings.store),
    forecasts,
    announced: new AnnouncedWork(),
    texts: new AnnouncedTexts(settings.store.objects),
    keys: new DistinctKeys(),
    behind: new Map<StageId, readonly StageId[]>(),
  };
  for (const stage of settings.plan.stages) {
    const { forecast, view } = await forecastStage(context, stage, (id) => views.get(id) ?? { is: 'open' });
    forecasts.set(stage.id, { ...forecast, ...withConditions(stage, forecast.decision) });
    views.set(stage.id, view);
  }
  const doubtful = context.announced.doubtful(new Set(context.behind.keys()));
  return [...forecasts.values()].map((one): StageForecast => {
    // Nothing was ever made with its settings, but something may be in this very run.
    const behind = one.will === 'run' && one.cause.because !== 'forced' ? context.behind.get(one.stage) : undefined;
    if (one.will !== 'run' || behind === undefined || !doubtful.has(one.stage)) return one;
    const { cause: _cause, key: _key, chosen: _chosen, ...rest } = one;
    return { ...rest, will: 'run-unless-unchanged', behind };
  });
}

interface Context extends ForecastSettings {
  readonly overrides: GateOverrides;
  readonly index: () => Promise<RecordIndex>;
  readonly forecasts: ReadonlyMap<StageId, StageForecast>;
  readonly announced: AnnouncedWork;
  readonly texts: AnnouncedTexts;
  readonly keys: DistinctKeys;
  /** Of stages that wait for others, but for no gate: for which. */
  readonly behind: Map<StageId, readonly StageId[]>;
}

interface Foreseen {
  readonly forecast: StageForecast;
  readonly view: StageView;
}

const OPEN: StageView = { is: 'open' };

async function forecastStage(
  context: Context,
  stage: PlannedStage,
  view: (id: StageId) => StageView,
): Promise<Foreseen> {
  const { id } = stage;
  const readiness = readinessOf(stage, view);
  switch (readiness.is) {
    case 'not-taken': {
      const { gate, chosen } = readiness;
      return { forecast: { stage: id, will: 'not-taken', gate, chosen }, view: { is: 'not-taken', gate, chosen } };
    }
    case 'blocked':
      return {
        forecast: { stage: id, will: 'be-blocked', by: readiness.by },
        view: { is: 'failed', by: readiness.by },
      };
    case 'ready': {
      const foreseen = await forecastReady(context, stage, readiness.inputs);
      const { forecast, view: after } = foreseen;
      if (forecast.will === 'run' && forecast.key !== undefined) context.announced.runsFor(forecast.key, id, after);
      return foreseen;
    }
    case 'waiting': {
      const until = gatesAwaited(context, readiness.for);
      const resolved = stage.kind !== 'stop' && areAllInputs(stage, readiness.known);
      if (resolved) return ifTaken(await forecastReady(context, stage, readiness.known), until);
      if (until.length > 0) return { forecast: { stage: id, will: 'unknown', until }, view: OPEN };
      const behind = [...new Set(readiness.for.map((awaited) => awaited.stage))];
      context.behind.set(id, behind);
      return { forecast: await forecastBehind(context, stage, readiness.known, behind), view: OPEN };
    }
  }
}

/** A stage that waits, but not for its inputs: what it does if it is taken is known, and perhaps that it does nothing. */
function ifTaken(foreseen: Foreseen, until: readonly StageId[]): Foreseen {
  if (until.length === 0) return foreseen;
  const { forecast, view } = foreseen;
  return {
    forecast: forecast.will === 'restore' ? { ...forecast, until } : { stage: forecast.stage, will: 'unknown', until },
    view: view.is === 'done' ? { is: 'open', outputs: view.outputs } : OPEN,
  };
}

async function forecastReady(context: Context, stage: PlannedStage, inputs: StageInputs): Promise<Foreseen> {
  const { store, latest, forced } = context;
  const { id } = stage;
  if (stage.kind === 'stop') {
    return {
      forecast: { stage: id, will: 'stop-the-run', reason: stopReason(stage) },
      view: { is: 'done', outputs: {} },
    };
  }
  const failed = (failure: StageFailure): Foreseen => ({
    forecast: { stage: id, will: 'fail', failure },
    view: { is: 'failed', by: id },
  });
  const outside = await readOutside(stage, store);
  if (!outside.ok) return failed(outside.error);
  const statics = staticPreImage(stage, context.code, outside.value);
  const measured = context.keys.keyOf(stage, statics, inputs);
  const key = decisionKey(stage, measured, context.overrides);
  const gate = stage.kind === 'gate' ? { decision: decisionForecast(key) } : {};
  if (key.damaged !== undefined) {
    const { forecast, view } = failed({ reason: 'override-damaged', path: key.damaged });
    return { forecast: { ...forecast, ...gate }, view };
  }
  const decision = decide(await gatherEvidence(store, latest, stage, key, forced.has(id)));
  if (decision.action === 'restore') {
    const result = resultIn(decision.record);
    const chosen = result.chosen === undefined ? {} : { chosen: result.chosen };
    return {
      forecast: {
        stage: id,
        will: 'restore',
        key: decision.record.key,
        madeBy: decision.record.madeBy.run,
        ...chosen,
        ...gate,
      },
      view: { is: 'done', ...result },
    };
  }
  context.announced.mayRun(stage, statics, inputDigests(inputs));
  const shared = forced.has(id) ? undefined : context.announced.maker(key.key);
  if (shared !== undefined) {
    const chosen = shared.view.is === 'done' && shared.view.chosen !== undefined ? { chosen: shared.view.chosen } : {};
    const forecast = {
      stage: id,
      will: 'restore',
      key: key.key,
      sharedWith: shared.stage,
      ...chosen,
      ...gate,
    } as const;
    return { forecast, view: shared.view };
  }
  if (stage.runsOn !== 'engine') {
    return {
      forecast: { stage: id, will: 'run', cause: decision.cause, key: key.key, ...(await estimate(context, stage)) },
      view: OPEN,
    };
  }
  // Gates and selections cost nothing: they are decided here and now, so that what follows them is known too.
  const outcome = await evaluateEngineStage(context.texts, stage, inputs, key.override);
  if (!outcome.ok) {
    if (outcome.error.reason !== 'input-lost') return failed(outcome.error);
    return { forecast: { stage: id, will: 'run', cause: decision.cause, key: key.key, ...gate }, view: OPEN };
  }
  const { outputs, verdict, content } = outcome.value;
  context.texts.announce(content);
  const chosen = verdict === undefined ? {} : { chosen: verdict.case };
  return {
    forecast: { stage: id, will: 'run', cause: decision.cause, key: key.key, ...chosen, ...gate },
    view: { is: 'done', outputs, ...chosen },
  };
}

/** A stage behind one that runs: certain when nothing was ever made with these settings, whatever its inputs turn out to be. */
async function forecastBehind(
  context: Context,
  stage: PlannedStage,
  known: StageInputs,
  behind: readonly StageId[],
): Promise<StageForecast> {
  const { id } = stage;
  const outside = await readOutside(stage, context.store);
  if (!outside.ok) return { stage: id, will: 'fail', failure: outside.error };
  const statics = staticPreImage(stage, context.code, outside.value);
  const inputs = inputDigests(known);
  const time = await estimate(context, stage);
  if (stage.kind !== 'stop') {
    if (context.forced.has(id)) return { stage: id, will: 'run', cause: { because: 'forced' }, ...time };
    context.announced.mayRun(stage, statics, inputs);
    const former = formerPreImage(stage, statics);
    const index = await context.index();
    if (![statics, former].some((form) => form !== undefined && hasMatchingRecord(index, form, inputs))) {
      const cause = await causeBehind(context, stage, statics, inputs);
      // Without a change it is the record of an earlier program, which is as good.
      if (cause.because !== 'changed' || cause.changes.length > 0) return { stage: id, will: 'run', cause, ...time };
    }
  }
  return { stage: id, will: 'run-unless-unchanged', behind, ...time };
}

async function causeBehind(
  context: Context,
  stage: PlannedStage,
  statics: JsonObject,
  inputs: JsonObject,
): Promise<RunCause> {
  const previous = await previousRecord(context, stage);
  if (previous === undefined) return { because: 'never-run' };
  const { inputs: before, ...staticsBefore } = previous.preImage;
  const comparable = Object.fromEntries(
    Object.entries((before ?? {}) as JsonObject).filter(([port]) => port in inputs),
  );
  return {
    because: 'changed',
    changes: changesOfKey({ ...staticsBefore, inputs: comparable }, { ...statics, inputs }),
  };
}

/** The gates that stand between what is known and this stage, seen through the stages it waits for. */
function gatesAwaited(
  { forecasts }: Context,
  awaited: readonly { readonly what: 'end' | 'case'; readonly stage: StageId }[],
): readonly StageId[] {
  const gates = awaited.flatMap(({ what, stage }) => {
    const forecast = forecasts.get(stage);
    if (forecast?.will === 'unknown') return forecast.until;
    if (forecast?.will === 'restore' && forecast.until !== undefined) return forecast.until;
    return what === 'case' ? [stage] : [];
  });
  return [...new Set(gates)];
}

async function estimate(context: Context, stage: PlannedStage): Promise<{ readonly estimateMs?: number }> {
  const previous = await previousRecord(context, stage);
  return previous === undefined ? {} : { estimateMs: previous.madeBy.milliseconds };
}

async function previousRecord({ store, latest }: Context, { id }: PlannedStage): Promise<ActionRecord | undefined> {
  const key = latest.of(id);
  return key === undefined ? undefined : store.actions.read(key);
}
