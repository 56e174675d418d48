// Observers: from observed activations to a range. Two passes: extremes first, then (for percentile and MSE) a histogram of
// magnitudes over exactly that extent. An observer that saw nothing has no range, and says so.
import { fakeQuantValue, scaleOf, steps } from './scheme.ts';
import type { Format } from './scheme.ts';
import type { Range } from './checkpoint.ts';

export type Observer =
  | { readonly kind: 'min-max' }
  /** min ← min + c·(cur − min), same for max; the first batch is taken whole. */
  | { readonly kind: 'moving-average'; readonly averagingConstant: number }
  /** The magnitude below which this percentage of values lies. */
  | { readonly kind: 'percentile'; readonly percentile: number }
  /** The threshold of least squared error among `candidates` fractions of the largest magnitude. */
  | { readonly kind: 'mse'; readonly candidates: number };

export const HISTOGRAM_BINS = 4096;

/** What one activation showed; filled by `observe` (first pass) and `count` (second pass). */
export class Observation {
  min = Infinity;
  max = -Infinity;
  private movingMin: number | undefined;
  private movingMax = 0;
  private counts: Float64Array | undefined;
  private readonly observer: Observer;

  constructor(observer: Observer) {
    this.observer = observer;
  }

  get needsSecondPass(): boolean {
    return this.observer.kind === 'percentile' || this.observer.kind === 'mse';
  }

  observe(values: Float32Array): void {
    let min = Infinity;
    let max = -Infinity;
    for (const value of values) {
      if (value < min) min = value;
      if (value > max) max = value;
      // NaN compares false with everything: carry it to where it is seen.
      if (value !== value) min = max = NaN;
    }
    this.min = min < this.min || min !== min ? min : this.min;
    this.max = max > this.max || max !== max ? max : this.max;
    if (this.observer.kind !== 'moving-average') return;
    const c = this.observer.averagingConstant;
    this.movingMax = this.movingMin === undefined ? max : this.movingMax + c * (max - this.movingMax);
    this.movingMin = this.movingMin === undefined ? min : this.movingMin + c * (min - this.movingMin);
  }

  /** Second pass, after every batch was observed once. */
  count(values: Float32Array): void {
    this.counts ??= new Float64Array(HISTOGRAM_BINS);
    const { counts } = this;
    const perBin = HISTOGRAM_BINS / this.magnitude();
    for (const value of values) {
      const bin = Math.min(HISTOGRAM_BINS - 1, Math.floor(Math.abs(value) * perBin));
      counts[bin] = (counts[bin] as number) + 1;
    }
  }

  /** @returns undefined when nothing, or no finite value, was observed. */
  range(format: Format): Range | undefined {
    if (!Number.isFinite(this.min) || !Number.isFinite(this.max)) return undefined;
    switch (this.observer.kind) {
      case 'min-max':
        return rangeOf(this.min, this.max, format);
      case 'moving-average':
        return rangeOf(this.movingMin ?? this.min, this.movingMax, format);
      case 'percentile':
        return this.clippedRange(this.percentileThreshold(this.observer.percentile), format);
      case 'mse':
        return this.clippedRange(this.mseThreshold(this.observer.candidates, format), format);
    }
  }

  private magnitude(): number {
    return Math.max(Math.abs(this.min), Math.abs(this.max));
  }

  private clippedRange(threshold: number, format: Format): Range {
    return rangeOf(Math.max(this.min, -threshold), Math.min(this.max, threshold), format);
  }

  private percentileThreshold(percentile: number): number {
    const counts = this.counts ?? new Float64Array(0);
    const total = counts.reduce((sum, count) => sum + count, 0);
    let seen = 0;
    for (let bin = 0; bin < counts.length; bin++) {
      seen += counts[bin] as number;
      if (seen >= (total * percentile) / 100) return ((bin + 1) / HISTOGRAM_BINS) * this.magnitude();
    }
    return this.magnitude();
  }

  private mseThreshold(candidates: number, format: Format): number {
    const counts = this.counts ?? new Float64Array(0);
    const width = this.magnitude() / HISTOGRAM_BINS;
    // Negative values lie on the same side as positive ones here; an unsigned format only meets values that are ≥ 0.
    let best = { error: Infinity, threshold: this.magnitude() };
    for (let candidate = candidates; candidate >= 1; candidate--) {
      const threshold = (this.magnitude() * candidate) / candidates;
      const scale = Math.max(Math.fround(threshold / steps(format)), Number.MIN_VALUE);
      let error = 0;
      for (let bin = 0; bin < counts.length && error < best.error; bin++) {
        const count = counts[bin] as number;
        if (count === 0) continue;
        const centre = (bin + 0.5) * width;
        error += count * (centre - fakeQuantValue(centre, scale, format)) ** 2;
      }
      if (error < best.error) best = { error, threshold };
    }
    return best.threshold;
  }
}

function rangeOf(min: number, max: number, format: Format): Range {
  // + 0 makes −0 +0: −0 + 0·step is +0, so that −0 would not survive an averaging constant of 0 bit for bit.
  const [low, high] = [Math.fround(min) + 0, Math.fround(max) + 0];
  return { min: low, max: high, scale: scaleOf(low, high, format) };
}
