// Observers: from what an activation showed (observation.ts) to its range. An observer that saw nothing has no range, and
// says so; how thresholds are chosen is in thresholds.ts.
import { err, ok } from '../../support/result.ts';
import type { Result } from '../../support/result.ts';
import type { Range } from './checkpoint.ts';
import type { Observation } from './observation.ts';
import type { Placement } from './placement.ts';
import { scaleOf } from './scheme.ts';
import type { Format } from './scheme.ts';
import { entropyThreshold, mseThreshold, percentileThreshold, squaredError } from './thresholds.ts';

export type SimpleObserver =
  | { readonly kind: 'min-max' }
  /** min ← min + c·(cur − min), same for max; the first batch is taken whole. */
  | { readonly kind: 'moving-average'; readonly averagingConstant: number }
  /** The magnitude below which this percentage of values lies. */
  | { readonly kind: 'percentile'; readonly percentile: number }
  /** The threshold of least squared error among `candidates` fractions of the largest magnitude. */
  | { readonly kind: 'mse'; readonly candidates: number }
  /** The threshold of least Kullback-Leibler divergence. */
  | { readonly kind: 'kl' };

export type Observer =
  | SimpleObserver
  /** Of several, tensor by tensor, the one of least squared error; the first of equals. */
  | { readonly kind: 'mix'; readonly of: readonly SimpleObserver[] };

export interface FoundRange {
  readonly range: Range;
  /** The observer that `mix` chose, else the one asked for. */
  readonly by: SimpleObserver['kind'];
}

/** An observer that cannot observe, with the reason. */
export class ObserverError extends Error {
  override readonly name = 'ObserverError';
}

/** @throws ObserverError for an averaging constant of 0: calibration starts empty, and would keep its first batch for good. */
export function checkObserver(observer: Observer): void {
  for (const part of observer.kind === 'mix' ? observer.of : [observer]) {
    if (part.kind === 'moving-average' && part.averagingConstant === 0)
      throw new ObserverError(
        'an averaging constant of 0 freezes a range that was loaded; on an empty observer it would keep the range of the first batch',
      );
  }
}

/** @returns undefined when nothing was observed, or a value that is not finite. */
export function findRange(seen: Observation, observer: Observer, format: Format): FoundRange | undefined {
  if (!Number.isFinite(seen.min) || !Number.isFinite(seen.max)) return undefined;
  if (observer.kind !== 'mix') return { range: rangeBy(seen, observer, format), by: observer.kind };
  let best: (FoundRange & { readonly error: number }) | undefined;
  for (const part of observer.of) {
    const range = rangeBy(seen, part, format);
    const error = squaredError(seen.histogram, range.scale, format);
    if (best === undefined || error < best.error) best = { range, by: part.kind, error };
  }
  return best;
}

/** An activation that showed no finite value, with the extremes that it did show. */
export interface Unseen {
  readonly value: string;
  readonly min: number;
  readonly max: number;
}

/** The range of every observed activation, in the format that it is placed with. */
export function findRanges(
  placement: Placement,
  observations: ReadonlyMap<string, Observation>,
  observer: Observer,
): Result<ReadonlyMap<string, FoundRange>, Unseen> {
  const ranges = new Map<string, FoundRange>();
  for (const [value, observation] of observations) {
    const format = placement.ranges.get(value)?.format;
    const found = format === undefined ? undefined : findRange(observation, observer, format);
    if (found === undefined) return err({ value, min: observation.min, max: observation.max });
    ranges.set(value, found);
  }
  return ok(ranges);
}

function rangeBy(seen: Observation, observer: SimpleObserver, format: Format): Range {
  switch (observer.kind) {
    case 'min-max':
      return rangeOf(seen.min, seen.max, format);
    case 'moving-average':
      return rangeOf(
        averaged(seen.batchMinima, observer.averagingConstant),
        averaged(seen.batchMaxima, observer.averagingConstant),
        format,
      );
    case 'percentile':
      return clipped(seen, percentileThreshold(seen, observer.percentile), format);
    case 'mse':
      return clipped(seen, mseThreshold(seen, observer.candidates, format), format);
    case 'kl':
      return clipped(seen, entropyThreshold(seen, format), format);
  }
}

function averaged([first = 0, ...others]: readonly number[], constant: number): number {
  return others.reduce((average, value) => average + constant * (value - average), first);
}

function clipped(seen: Observation, threshold: number, format: Format): Range {
  return rangeOf(Math.max(seen.min, -threshold), Math.min(seen.max, threshold), format);
}

function rangeOf(min: number, max: number, format: Format): Range {
  // + 0 makes −0 +0: −0 + 0·step is +0, so that −0 would not survive an averaging constant of 0 bit for bit.
  const [low, high] = [Math.fround(min) + 0, Math.fround(max) + 0];
  return { min: low, max: high, scale: scaleOf(low, high, format) };
}
