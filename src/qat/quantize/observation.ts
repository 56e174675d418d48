// What one activation showed while it was observed: the extremes of every batch and a histogram of magnitudes. Everything an
// observer (observers.ts) needs is in it, so that a range can be found again, or by another observer, without the data.
import { floatTensor } from '../../support/tensor.ts';
import type { Tensor } from '../../support/tensor.ts';

export const HISTOGRAM_BINS = 4096;

/** Counts of magnitudes in equal bins over [0, top). */
export interface MagnitudeHistogram {
  readonly counts: Float64Array;
  /** A power of two above every magnitude counted, at most twice the largest; 0 when nothing but zeros was counted. */
  readonly top: number;
}

/** Filled batch by batch; nothing is kept of the values themselves. */
export class Observation {
  /** One per batch, in the order seen. NaN where the batch held one. */
  private readonly minima: number[] = [];
  private readonly maxima: number[] = [];
  private counts: Float64Array = new Float64Array(HISTOGRAM_BINS);
  private top = 0;

  /** Of all batches; ±infinity when nothing was seen. */
  get min(): number {
    return this.minima.reduce((least, value) => (value < least || Number.isNaN(value) ? value : least), Infinity);
  }

  get max(): number {
    return this.maxima.reduce((most, value) => (value > most || Number.isNaN(value) ? value : most), -Infinity);
  }

  get batchMinima(): readonly number[] {
    return this.minima;
  }

  get batchMaxima(): readonly number[] {
    return this.maxima;
  }

  get histogram(): MagnitudeHistogram {
    return { counts: this.counts, top: this.top };
  }

  /** The largest magnitude. */
  get magnitude(): number {
    return Math.max(Math.abs(this.min), Math.abs(this.max));
  }

  /** @param weight how often each value of the batch counts in the histogram; extremes know no weight. */
  observe(values: Float32Array, weight = 1): void {
    let min = Infinity;
    let max = -Infinity;
    for (const value of values) {
      if (value < min) min = value;
      if (value > max) max = value;
      // NaN compares false with everything: carry it to where it is seen.
      if (value !== value) min = max = NaN;
    }
    if (values.length === 0) return;
    this.minima.push(min);
    this.maxima.push(max);
    if (!Number.isFinite(min) || !Number.isFinite(max)) return;
    this.widen(Math.max(Math.abs(min), Math.abs(max)));
    const { counts } = this;
    const perBin = this.top === 0 ? 0 : HISTOGRAM_BINS / this.top;
    for (const value of values) {
      const bin = Math.floor(Math.abs(value) * perBin);
      counts[bin] = (counts[bin] as number) + weight;
    }
  }

  /** Tops are powers of two, so that merging bins in pairs gives exactly the counts that wider bins would have had. */
  private widen(magnitude: number): void {
    if (this.top === 0 && magnitude > 0) {
      this.top = 2 ** Math.floor(Math.log2(magnitude));
      while (this.top > magnitude) this.top /= 2;
    }
    while (this.top > 0 && this.top <= magnitude) {
      const merged = new Float64Array(HISTOGRAM_BINS);
      for (let bin = 0; bin < HISTOGRAM_BINS; bin++)
        merged[bin >> 1] = (merged[bin >> 1] as number) + (this.counts[bin] as number);
      this.counts = merged;
      this.top *= 2;
    }
  }

  /** `min` and `max` [batches], `counts` [bins] and `top` [1]. */
  toTensors(): ReadonlyMap<string, Tensor> {
    const batches = [this.minima.length];
    return new Map<string, Tensor>([
      ['min', floatTensor(batches, Float32Array.from(this.minima))],
      ['max', floatTensor(batches, Float32Array.from(this.maxima))],
      ['counts', { dtype: 'float64', shape: [HISTOGRAM_BINS], data: this.counts }],
      ['top', { dtype: 'float64', shape: [1], data: Float64Array.of(this.top) }],
    ]);
  }

  /** The inverse; undefined when they are not what `toTensors` gives. */
  static fromTensors(tensors: ReadonlyMap<string, Tensor>): Observation | undefined {
    const [min, max, counts, top] = ['min', 'max', 'counts', 'top'].map((name) => tensors.get(name)?.data);
    if (!(min instanceof Float32Array && max instanceof Float32Array && min.length === max.length)) return undefined;
    if (!(counts instanceof Float64Array && counts.length === HISTOGRAM_BINS)) return undefined;
    if (!(top instanceof Float64Array && top.length === 1)) return undefined;
    const observation = new Observation();
    observation.minima.push(...min);
    observation.maxima.push(...max);
    observation.counts = counts;
    observation.top = top[0] as number;
    return observation;
  }
}
