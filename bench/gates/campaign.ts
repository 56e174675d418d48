// Which gates are counted for one task: equals of three kinds, a loss of known size, film.
import { against, film, lossy, swapped, twoSamples, valueOf, wholePool, type Drawing } from './drawing.ts';
import { countGates, type Counted } from './count-gates.ts';
import { poolOf, type Pool, type Statistics } from './stored-outputs.ts';

/** The order of a task's models; every drawing names them by place. */
export const MODELS = ['first-float', 'w8a8', 'second-float', 'w4a4'] as const;
const [FLOAT, W8A8, SECOND, W4A4] = [0, 1, 2, 3];

export interface Size {
  readonly images: readonly number[];
  readonly gates: number;
  readonly replicates: number;
}

export interface Sizes {
  readonly close: Size;
  readonly large: Size;
  readonly seeds: Size;
  readonly samples: Size;
  readonly loss: Size;
  readonly film: Size & { readonly frames: number; readonly blocks: readonly number[] };
}

export interface Arm {
  readonly arm: string;
  /** Of the candidate and the reference over everything that is drawn from. */
  readonly truth: { readonly candidate: number; readonly reference: number };
  readonly counted: Counted;
}

export interface Values {
  /** Model → its metric over all images. */
  readonly values: { readonly [model: string]: number };
  /** Arm → images of w4a4 in the candidate, and its share of the float model's value. */
  readonly losses: { readonly [arm: string]: { readonly images: number; readonly share: number } };
}

const LOSSES = { 'loss of 1 %': 0.99, 'loss of 3 %': 0.97 };

export function valuesOf(models: readonly Statistics[]): Values {
  const pool = poolOf(models);
  const values = MODELS.map((name, model) => [name, whole(pool, model)] as const);
  const losses = Object.entries(LOSSES).map(([arm, share]) => {
    const { picks: _, ...made } = loss(pool, share);
    return [arm, made] as const;
  });
  return { values: Object.fromEntries(values), losses: Object.fromEntries(losses) };
}

/** Each arm at each size, as it is counted; what matters most first. */
export function* armsOf(models: readonly Statistics[], sizes: Sizes, seed: number): Generator<Arm> {
  const pool = poolOf(models);
  const equals = (one: number, other: number) => {
    const both = valueOf(pool, [...wholePool(pool, () => one), ...wholePool(pool, () => other)]);
    return { candidate: both, reference: both };
  };
  const float = whole(pool, FLOAT);
  const count = function* (arm: string, drawing: Drawing, truth: Arm['truth'], size: Size): Generator<Arm> {
    const { gates, replicates } = size;
    for (const images of size.images) {
      yield { arm, truth, counted: countGates({ pool, drawing, truth, images, gates, replicates, seed }) };
    }
  };
  yield* count('float and w8a8, swapped', swapped(pool, FLOAT, W8A8), equals(FLOAT, W8A8), sizes.close);
  for (const [arm, share] of Object.entries(LOSSES)) {
    const { picks } = loss(pool, share);
    const truth = { candidate: valueOf(pool, picks), reference: float };
    yield* count(arm, against(pool, picks, FLOAT), truth, sizes.loss);
  }
  const { frames, blocks, images: lengths, gates, replicates } = sizes.film;
  const [drawing, truth] = [film(pool, FLOAT, SECOND, frames), equals(FLOAT, SECOND)];
  for (const images of lengths) {
    for (const block of blocks) {
      const counted = countGates({ pool, drawing, truth, images, gates, replicates, block, seed });
      yield { arm: 'film', truth, counted };
    }
  }
  yield* count('two seeds, swapped', swapped(pool, FLOAT, SECOND), equals(FLOAT, SECOND), sizes.seeds);
  const same = { candidate: float, reference: float };
  yield* count('one model, two samples', twoSamples(pool, FLOAT), same, sizes.samples);
  yield* count('float and w8a8, swapped', swapped(pool, FLOAT, W8A8), equals(FLOAT, W8A8), sizes.large);
}

function loss(pool: Pool, share: number) {
  return lossy(pool, { base: W8A8, worse: W4A4, reference: FLOAT, share });
}

function whole(pool: Pool, model: number): number {
  return valueOf(
    pool,
    wholePool(pool, () => model),
  );
}
