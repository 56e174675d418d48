// What differs between two runs: parameters, measured numbers, what gates chose, and which stages had another key and why.
import type { StageId } from '../events/ids.ts';
import type { Change, MetricsFact, RunCause, StageState } from '../events/run-events.ts';
import { changesBetween } from '../execute/changes.ts';
import type { RunReport, StageReport } from '../report/run-report.ts';

export interface RunSide {
  readonly run: string;
  readonly name: string;
  readonly workflow: string;
  readonly startedAt: string;
  readonly outcome: string | null;
  readonly milliseconds: number | null;
}

export interface MetricDifference {
  readonly stage: StageId;
  readonly port: string;
  readonly task: string;
  readonly metric: string;
  readonly unit: string | null;
  readonly before: number | null;
  readonly after: number | null;
  /** after − before; null where one of them is missing. */
  readonly difference: number | null;
  /** By the metric's own direction; null when equal or when one is missing. */
  readonly better: boolean | null;
}

export interface StageDifference {
  readonly stage: StageId;
  readonly before: StageSide | null;
  readonly after: StageSide | null;
  /** Why the later run ran it, where it did. */
  readonly cause?: RunCause;
}

export interface StageSide {
  readonly state: StageState;
  readonly key: string | null;
  readonly milliseconds: number | null;
  readonly madeBy: string | null;
  /** For gates. */
  readonly chosen: string | null;
}

export interface RunDifference {
  readonly before: RunSide;
  readonly after: RunSide;
  /** Pointers into the parameters. */
  readonly params: readonly Change[];
  readonly metrics: readonly MetricDifference[];
  /** Gates that chose otherwise. */
  readonly verdicts: readonly {
    readonly stage: StageId;
    readonly before: string | null;
    readonly after: string | null;
  }[];
  /** Stages with another key, or that only one run got to. */
  readonly stages: readonly StageDifference[];
  /** Stages with the same key in both. */
  readonly same: number;
}

export function compareRuns(before: RunReport, after: RunReport): RunDifference {
  const old = new Map(before.stages.map((stage) => [stage.id, stage]));
  const now = new Map(after.stages.map((stage) => [stage.id, stage]));
  const ids = [...new Set([...old.keys(), ...now.keys()])];
  const pairs = ids.map((id) => ({ id, left: old.get(id), right: now.get(id) }));
  const differing = pairs.filter(({ left, right }) => !isSame(left, right));
  return {
    before: sideOf(before),
    after: sideOf(after),
    params: changesBetween(before.params, after.params),
    metrics: pairs.flatMap(({ id, left, right }) => metricDifferences(id, left, right)),
    verdicts: pairs.flatMap(({ id, left, right }) => {
      const [chose, chooses] = [left?.chosen ?? null, right?.chosen ?? null];
      const decided = left?.verdict !== undefined || right?.verdict !== undefined;
      return decided && chose !== chooses ? [{ stage: id, before: chose, after: chooses }] : [];
    }),
    stages: differing.map(({ id, left, right }) => ({
      stage: id,
      before: left === undefined ? null : stageSide(left),
      after: right === undefined ? null : stageSide(right),
      ...(right?.cause === undefined ? {} : { cause: right.cause }),
    })),
    same: pairs.length - differing.length,
  };
}

/** The same key gives the same bytes, whether it ran or was cached; what has no key is told by its state. */
function isSame(left: StageReport | undefined, right: StageReport | undefined): boolean {
  if (left === undefined || right === undefined) return false;
  return (
    left.key === right.key &&
    hasEndedWell(left) === hasEndedWell(right) &&
    (hasEndedWell(left) || left.state === right.state)
  );
}

function hasEndedWell({ state }: StageReport): boolean {
  return state === 'succeeded' || state === 'cached';
}

function sideOf({ run, name, workflow, startedAt, finished }: RunReport): RunSide {
  const { outcome = null, milliseconds = null } = finished ?? {};
  return { run, name, workflow, startedAt, outcome, milliseconds };
}

function stageSide({ state, key, milliseconds, madeBy, chosen }: StageReport): StageSide {
  return {
    state,
    key: key ?? null,
    milliseconds: milliseconds ?? null,
    madeBy: madeBy ?? null,
    chosen: chosen ?? null,
  };
}

function metricDifferences(
  stage: StageId,
  left: StageReport | undefined,
  right: StageReport | undefined,
): readonly MetricDifference[] {
  const ports = [...new Set([...(left?.facts.metrics ?? []), ...(right?.facts.metrics ?? [])].map(({ port }) => port))];
  return ports.flatMap((port) => {
    const of = (side: StageReport | undefined): MetricsFact | undefined =>
      side?.facts.metrics.find((fact) => fact.port === port);
    const [old, now] = [of(left), of(right)];
    const fact = now ?? old;
    if (fact === undefined) return [];
    const names = [...new Set([...Object.keys(old?.values ?? {}), ...Object.keys(now?.values ?? {})])];
    return names.flatMap((metric) => {
      const [before, after] = [old?.values[metric] ?? null, now?.values[metric] ?? null];
      if (before === after) return [];
      const difference = before === null || after === null ? null : after - before;
      const higherIsBetter = fact.higherIsBetter[metric] ?? true;
      const better = difference === null ? null : difference > 0 === higherIsBetter;
      const unit = fact.units[metric] ?? null;
      return [{ stage, port, task: fact.task, metric, unit, before, after, difference, better }];
    });
  });
}
