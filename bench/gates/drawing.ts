// How the pairs of a gate are drawn, so that the truth about them is known: equals, a loss of a known size, video.
import { Random } from '../../src/support/random.ts';
import type { Pick, Pool } from './stored-outputs.ts';

export interface Drawn {
  readonly candidate: readonly Pick[];
  readonly reference: readonly Pick[];
}

/** @param images how many the gate looks at. */
export type Drawing = (images: number, random: Random) => Drawn;

/** For each image a coin says which of two models is the candidate: which is called which carries no information. */
export function swapped(pool: Pool, one: number, other: number): Drawing {
  return (images, random) => pairs(drawImages(pool, images, random), (image) => swap(image, one, other, random));
}

/** One model against itself on other images, as when a reference was measured on another sample. */
export function twoSamples(pool: Pool, model: number): Drawing {
  return (images, random) => {
    const sample = () => drawImages(pool, images, random).map((image) => ({ model, image }));
    return { candidate: sample(), reference: sample() };
  };
}

/** The candidate is a model of known value; see `lossy`. */
export function against(pool: Pool, candidate: readonly Pick[], reference: number): Drawing {
  return (images, random) =>
    pairs(drawImages(pool, images, random), (image) => [candidate[image] as Pick, { model: reference, image }]);
}

/** Equals as `swapped`, in a film: a scene stays for a number of frames that is geometric with this mean. */
export function film(pool: Pool, one: number, other: number, frames: number): Drawing {
  return (images, random) => {
    let shown: readonly [Pick, Pick] | undefined;
    return pairs(Array.from({ length: images }), () => {
      if (shown === undefined || random.uniform() < 1 / frames)
        shown = swap(random.below(pool.images), one, other, random);
      return shown;
    });
  };
}

/**
 * The model `base` with the outputs of the worse one on as many images as make its value over the whole pool `share` of the
 * reference's. Which images comes of a fixed order.
 */
export function lossy(
  pool: Pool,
  { base, worse, reference, share }: { base: number; worse: number; reference: number; share: number },
): { readonly picks: readonly Pick[]; readonly images: number; readonly share: number } {
  const order = new Random(14).permutation(pool.images);
  const mixed = (images: number): readonly Pick[] => {
    const worst = new Set(order.subarray(0, images));
    return wholePool(pool, (image) => (worst.has(image) ? worse : base));
  };
  const shareOf = (picks: readonly Pick[]): number => valueOf(pool, picks) / whole;
  const whole = valueOf(
    pool,
    wholePool(pool, () => reference),
  );
  let [low, high] = [0, pool.images];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (shareOf(mixed(middle)) > share) low = middle;
    else high = middle;
  }
  const picks = mixed(high);
  return { picks, images: high, share: shareOf(picks) };
}

export function wholePool(pool: Pool, modelOf: (image: number) => number): readonly Pick[] {
  return Array.from({ length: pool.images }, (_, image) => ({ model: modelOf(image), image }));
}

export function valueOf(pool: Pool, picks: readonly Pick[]): number {
  const { values, primary } = pool.over(picks);
  return values[primary] as number;
}

function drawImages(pool: Pool, images: number, random: Random): readonly number[] {
  return Array.from({ length: images }, () => random.below(pool.images));
}

function swap(image: number, one: number, other: number, random: Random): readonly [Pick, Pick] {
  const pair = [
    { model: one, image },
    { model: other, image },
  ] as const;
  return random.uniform() < 0.5 ? pair : [pair[1], pair[0]];
}

function pairs<T>(drawn: readonly T[], pairOf: (one: T) => readonly [Pick, Pick]): Drawn {
  const both = drawn.map(pairOf);
  return { candidate: both.map(([candidate]) => candidate), reference: both.map(([, reference]) => reference) };
}
