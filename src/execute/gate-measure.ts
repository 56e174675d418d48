// One criterion against one pair of metrics artifacts: the value or the worst class, its margin, and what the bootstrap
// replicates say about that margin. A number that is missing, not finite or in other units is a failure.
import type { StageFailure } from '../events/failures.ts';
import { boundOf, needsReference, type Bound } from '../plan/criteria.ts';
import type { Criterion } from '../plan/plan.ts';
import { err, ok, type Result } from '../support/result.ts';
import { centralInterval, checkPairing, lowerBound, type Interval } from './gate-interval.ts';
import { marginOf } from './gate-margin.ts';
import type { Replicate } from '../expression/sampled-number.ts';
import type { MetricsDocument } from './metrics-document.ts';

export interface Measured {
  readonly metric: string;
  readonly class?: string;
  readonly unit: string | null;
  readonly value: number;
  readonly reference: number | null;
  readonly percent: number | null;
  readonly margin: number;
  readonly interval?: Interval;
  readonly confidence?: { readonly level: number; readonly margin: number };
}

/** Where no confidence is asked, an interval of this level is told beside the point value. */
const TOLD_LEVEL = 0.95;

export function measureCriterion(
  criterion: Criterion,
  metrics: MetricsDocument,
  reference: MetricsDocument | undefined,
): Result<Measured, StageFailure> {
  const metric = criterion.metric === 'primary' ? metrics.fact.primary : criterion.metric;
  const bound = boundOf(criterion);
  const judged: Judged = {
    metric,
    bound,
    higherIsBetter: metrics.fact.higherIsBetter[metric] ?? true,
    metrics,
    reference: needsReference(bound.rule) ? reference : undefined,
  };
  const mismatch = checkReference(judged);
  if (mismatch !== undefined) return err(mismatch);
  const point = criterion.worstClass === true ? worstClass(judged) : wholeMetric(judged);
  if (!point.ok) return point;
  const { classes, ...measured } = point.value;
  if (criterion.confidence === undefined) {
    const margins = replicateMargins(judged, classes);
    const interval = margins.ok ? centralInterval(margins.value, TOLD_LEVEL) : undefined;
    return ok({ ...measured, ...(interval === undefined ? {} : { interval }) });
  }
  const margins = replicateMargins(judged, classes);
  if (!margins.ok) return margins;
  const lower = lowerBound(metric, margins.value, criterion.confidence);
  if (!lower.ok) return lower;
  return ok({ ...measured, confidence: { level: criterion.confidence, margin: lower.value } });
}

interface Judged {
  readonly metric: string;
  readonly bound: Bound;
  readonly higherIsBetter: boolean;
  readonly metrics: MetricsDocument;
  /** Only where the rule reads it. */
  readonly reference: MetricsDocument | undefined;
}

type Point = Measured & { /** Undefined: the metric itself. */ readonly classes: readonly string[] | undefined };

function checkReference({ metric, bound, metrics, reference }: Judged): StageFailure | undefined {
  if (!needsReference(bound.rule)) return undefined;
  if (reference === undefined) {
    const problem = `the gate compares "${metric}" with a reference and has none for ${metrics.fact.task}`;
    return { reason: 'settings-invalid', problem };
  }
  const [unit, referenceUnit] = [metrics, reference].map(({ fact }) => fact.units[metric] ?? 'none') as [
    string,
    string,
  ];
  return unit === referenceUnit ? undefined : { reason: 'unit-mismatch', metric, unit, referenceUnit };
}

function wholeMetric(judged: Judged): Result<Point, StageFailure> {
  const { metric, metrics, reference } = judged;
  const value = numberIn(metrics.fact.values, metric);
  if (!value.ok) return value;
  const other = reference === undefined ? ok(Number.NaN) : numberIn(reference.fact.values, metric);
  if (!other.ok) return other;
  const point = pointOf(judged, metric, value.value, other.value);
  return point.ok ? ok({ ...point.value, classes: undefined }) : point;
}

/** The class with the least margin; the first of equal ones. */
function worstClass(judged: Judged): Result<Point, StageFailure> {
  const { metric, metrics, reference } = judged;
  const [own, others] = [metrics.classes[metric], reference?.classes[metric]];
  const missing = own === undefined || (reference !== undefined && others === undefined);
  const available = Object.keys((own === undefined ? metrics : reference)?.classes ?? {}).map(perClass);
  if (missing) return err({ reason: 'metric-missing', metric: perClass(metric), available });
  const classes = [...new Set([...Object.keys(own), ...Object.keys(others ?? {})])];
  let worst: Point | undefined;
  for (const name of classes) {
    const label = `${metric} of class ${name}`;
    const value = numberIn(own, name, label);
    if (!value.ok) return value;
    const other = others === undefined ? ok(Number.NaN) : numberIn(others, name, label);
    if (!other.ok) return other;
    const point = pointOf(judged, label, value.value, other.value);
    if (!point.ok) return point;
    if (worst === undefined || point.value.margin < worst.margin) worst = { ...point.value, class: name, classes };
  }
  return worst === undefined ? err({ reason: 'metric-missing', metric: perClass(metric), available }) : ok(worst);
}

function pointOf(
  { metric, bound, higherIsBetter, metrics, reference }: Judged,
  label: string,
  value: number,
  other: number,
): Result<Measured, StageFailure> {
  if (isOfReference(bound) && !(other > 0))
    return err({ reason: 'reference-not-positive', metric: label, value: other });
  const { margin, percent } = marginOf(bound, higherIsBetter, value, other);
  if (!Number.isFinite(margin))
    return err({ reason: 'metric-not-finite', metric: label, value: `${percent ?? margin} percent of the reference` });
  const unit = metrics.fact.units[metric] ?? null;
  return ok({ metric, unit, value, reference: reference === undefined ? null : other, percent, margin });
}

function isOfReference({ rule }: Bound): boolean {
  return rule === 'percentOfReference' || rule === 'maxDegradationPercent' || rule === 'minImprovementPercent';
}

/** The criterion's margin in every replicate; with classes the least of those that occur in it. */
function replicateMargins(
  judged: Judged,
  classes: readonly string[] | undefined,
): Result<readonly Replicate[], StageFailure> {
  const { metric, metrics, reference } = judged;
  const [own, others] = [metrics.replicates, reference?.replicates];
  const series = seriesOf(metrics, metric, classes);
  if (own === undefined || series === undefined) return err({ reason: 'replicates-missing', metric, whose: 'metrics' });
  if (reference === undefined) return ok(leastMargins(judged, series, undefined));
  const otherSeries = seriesOf(reference, metric, classes);
  if (others === undefined || otherSeries === undefined)
    return err({ reason: 'replicates-missing', metric, whose: 'reference' });
  const unpaired = checkPairing(metric, own, others);
  return unpaired === undefined ? ok(leastMargins(judged, series, otherSeries)) : err(unpaired);
}

type Series = readonly (readonly Replicate[])[];

function seriesOf(
  { replicates }: MetricsDocument,
  metric: string,
  classes: readonly string[] | undefined,
): Series | undefined {
  const own = replicates?.values[metric];
  if (classes === undefined) return own === undefined ? undefined : [own];
  const series = classes.flatMap((name) => {
    const of = replicates?.classes[metric]?.[name];
    return of === undefined ? [] : [of];
  });
  return series.length === classes.length ? series : undefined;
}

function leastMargins({ bound, higherIsBetter }: Judged, series: Series, others: Series | undefined): Replicate[] {
  return (series[0] ?? []).map((_, index) => {
    let least: Replicate = null;
    for (const [place, values] of series.entries()) {
      const value = values[index] ?? null;
      const other = others === undefined ? Number.NaN : (others[place]?.[index] ?? null);
      // A class without objects in this sample; of the metric itself it is told apart by the null that remains.
      if (value === null || other === null) continue;
      if (isOfReference(bound) && !(other > 0)) return null;
      const { margin } = marginOf(bound, higherIsBetter, value, other);
      if (!Number.isFinite(margin)) return null;
      if (least === null || margin < least) least = margin;
    }
    return least;
  });
}

function numberIn(
  values: { readonly [name: string]: number },
  name: string,
  label = name,
): Result<number, StageFailure> {
  const value = Object.hasOwn(values, name) ? values[name] : undefined;
  if (value === undefined) return err({ reason: 'metric-missing', metric: label, available: Object.keys(values) });
  if (!Number.isFinite(value)) return err({ reason: 'metric-not-finite', metric: label, value: String(value) });
  return ok(value);
}

function perClass(metric: string): string {
  return `${metric} per class`;
}
