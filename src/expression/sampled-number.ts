// Numbers of a condition: a measured value with its bootstrap replicates. Arithmetic works on the value and on every replicate
// alike, so that what two measurements owe to the same resampled images cancels before a bound is taken.

/** A replicate of nothing (no object in the sample, a division by zero) is null. */
export type Replicate = number | null;

/** What the replicates were drawn from. Two series pair by index when all of it is equal; null is unknown, not different. */
export interface Drawing {
  readonly method: string;
  readonly count: number;
  readonly seed: number;
  readonly block: number;
  readonly images: number;
  readonly data: string | null;
}

export interface Sampled {
  readonly value: number;
  /** Undefined where nothing was resampled. */
  readonly replicates?: readonly Replicate[] | undefined;
  readonly drawing?: Drawing | undefined;
}

export class Sample implements Sampled {
  readonly value: number;
  readonly replicates: readonly Replicate[] | undefined;
  readonly drawing: Drawing | undefined;

  constructor({ value, replicates, drawing }: Sampled) {
    this.value = value;
    this.replicates = replicates;
    this.drawing = drawing;
  }
}

const PAIRED_BY = ['method', 'count', 'seed', 'block', 'images', 'data'] as const;

/** The first field in which two drawings differ. */
export function unpairedField(one: Drawing, other: Drawing): keyof Drawing | undefined {
  return PAIRED_BY.find((field) => {
    const [left, right] = [one[field], other[field]];
    return left !== right && !(field === 'data' && (left === null || right === null));
  });
}

/** @throws where the values have no result, or their replicates are not of the same images. */
export function combine(
  left: Sampled | number,
  right: Sampled | number,
  apply: (left: number, right: number) => number,
  sign: string,
): Sample {
  const [a, b] = [left, right].map((side) => (typeof side === 'number' ? { value: side } : side)) as [Sampled, Sampled];
  const value = apply(a.value, b.value);
  if (!Number.isFinite(value)) throw new Error(`${a.value} ${sign} ${b.value} is ${value}`);
  const measured = [left, right].filter((side) => typeof side !== 'number');
  const series = measured.flatMap(({ replicates, drawing }) =>
    replicates && drawing ? [{ replicates, drawing }] : [],
  );
  const [first, second] = series;
  // A measurement without replicates leaves nothing to say about the whole.
  if (first === undefined || series.length < measured.length) return new Sample({ value });
  if (second !== undefined) {
    const field = unpairedField(first.drawing, second.drawing);
    if (field !== undefined)
      throw new Error(
        `the replicates do not pair: ${field} is ${String(first.drawing[field])} and ${String(second.drawing[field])}`,
      );
  }
  const at = (side: Sampled, index: number): Replicate =>
    side.replicates ? (side.replicates[index] ?? null) : side.value;
  const replicates = first.replicates.map((_, index): Replicate => {
    const [l, r] = [at(a, index), at(b, index)];
    const result = l === null || r === null ? Number.NaN : apply(l, r);
    return Number.isFinite(result) ? result : null;
  });
  const drawing = first.drawing.data === null ? (second?.drawing ?? first.drawing) : first.drawing;
  return new Sample({ value, replicates, drawing });
}

/**
 * The value that is exceeded (`lower`) or not exceeded (`upper`) with this confidence: of B replicates the one whose rank is
 * (1 − confidence)·(B + 1) from that side (percentile bootstrap, Efron and Tibshirani 1993, chapter 13).
 * @throws where there are no replicates, too few, or undefined ones.
 */
export function boundOf({ replicates }: Sampled, confidence: number, side: 'lower' | 'upper'): number {
  if (!isConfidence(confidence)) throw new Error(`${side} asks for a confidence of ${confidence}: ${CONFIDENCE_RANGE}`);
  if (replicates === undefined) throw new Error(`${side} needs bootstrap replicates, and the metrics have none`);
  const numbers = replicates.filter((replicate) => replicate !== null).sort((a, b) => a - b);
  const [count, missing] = [replicates.length, replicates.length - numbers.length];
  if (missing > 0) throw new Error(`${missing} of ${count} replicates have no value to take a bound of`);
  const rank = rankOf(1 - confidence, count);
  const bound = rank < 1 ? undefined : numbers[side === 'lower' ? rank - 1 : count - rank];
  if (bound === undefined) throw new Error(`${count} replicates are too few for a confidence of ${confidence}`);
  return bound;
}

export const CONFIDENCE_RANGE = 'it must be more than 0.5 and less than 1';

export function isConfidence(value: number): boolean {
  return value > 0.5 && value < 1;
}

/** The replicate whose rank from below is this part of B + 1; a little is added because 0.1 · 500 may be 49.99…. */
export function rankOf(part: number, count: number): number {
  return Math.floor(part * (count + 1) + 1e-9);
}
