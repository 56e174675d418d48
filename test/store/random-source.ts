// Whole numbers from a seed, for tests that injure things at random and must do the same every time.

/** A function that gives a number from 0 to below its argument. */
export function randomSource(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
