// What the bootstrap says about a margin: its distribution over replicates, paired by index, and the bounds of it
// (percentile bootstrap, Efron 1979; Efron and Tibshirani 1993, chapter 13).
import type { StageFailure } from '../events/failures.ts';
import { rankOf, unpairedField, type Replicate } from '../expression/sampled-number.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { Replicates } from './metrics-document.ts';

export type Interval = {
  readonly level: number;
  readonly low: number;
  readonly high: number;
};

/** Replicate i of both must come of the same images. */
export function checkPairing(metric: string, own: Replicates, reference: Replicates): StageFailure | undefined {
  const field = unpairedField(own, reference);
  if (field === undefined) return undefined;
  const [value, referenceValue] = [String(own[field]), String(reference[field])];
  return { reason: 'replicates-unpaired', metric, field, value, referenceValue };
}

/** The margin that is exceeded with this confidence. */
export function lowerBound(
  metric: string,
  margins: readonly Replicate[],
  confidence: number,
): Result<number, StageFailure> {
  const sorted = sortedNumbers(margins);
  const count = margins.length;
  if (sorted.length < count)
    return err({ reason: 'replicates-undefined', metric, undefinedCount: count - sorted.length, count });
  const rank = rankOf(1 - confidence, count);
  if (rank < 1) return err({ reason: 'replicates-too-few', count, confidence });
  return ok(sorted[rank - 1] as number);
}

/** Undefined where the replicates cannot say. */
export function centralInterval(margins: readonly Replicate[], level: number): Interval | undefined {
  const sorted = sortedNumbers(margins);
  const rank = rankOf((1 - level) / 2, margins.length);
  if (sorted.length < margins.length || rank < 1) return undefined;
  return { level, low: sorted[rank - 1] as number, high: sorted[sorted.length - rank] as number };
}

function sortedNumbers(margins: readonly Replicate[]): readonly number[] {
  return margins
    .filter((margin) => margin !== null && Number.isFinite(margin))
    .sort((a, b) => Number(a) - Number(b)) as number[];
}
