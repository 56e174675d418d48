// The greedy search beside a full one: on the small network, every combination measured; and on drawn problems whose layers
// help and hinder each other.
import { describe, expect, it } from 'vitest';
import { Distortion } from '../../../src/qat/analysis/distortion.ts';
import { searchFormats } from '../../../src/qat/analysis/search.ts';
import type { Combination, SearchProblem, SearchResult } from '../../../src/qat/analysis/search.ts';
import { BACKBONE } from '../../../src/qat/network/network.ts';
import { Random } from '../../../src/support/random.ts';
import { calibrate, floatScopes, quantisedScopes, runReference } from '../checkpoints.ts';
import { randomBatch, smallNetwork, w4a4 } from '../networks.ts';

/** Every combination within the budget. */
async function fullSearch(problem: SearchProblem): Promise<{ readonly noise: number; readonly measured: number }> {
  let best = Infinity;
  let measured = 0;
  for (const combination of combinations(problem.options)) {
    if (problem.costOf(combination) > problem.budget) continue;
    measured++;
    best = Math.min(best, await problem.measure(combination));
  }
  return { noise: best, measured };
}

function combinations(options: readonly number[]): readonly Combination[] {
  return options.reduce<readonly Combination[]>(
    (all, count) => all.flatMap((start) => Array.from({ length: count }, (_, option) => [...start, option])),
    [[]],
  );
}

/** Decibels that a greedy search may stay behind: rounding errors cancel by chance, in ways that no single step shows. */
const BEHIND = 0.5;

const decibels = (noise: number): number => -10 * Math.log10(noise);

describe('the search beside a full one', () => {
  it('finds the two layers of a whole backbone that gain most, measured, with fewer measurements', async () => {
    const network = smallNetwork();
    const layers = network.units.flatMap((unit) =>
      unit.kind === 'layer' && unit.scope === BACKBONE ? [unit.weight] : [],
    );
    const image = randomBatch(1);
    const outputs = ['detection.out'];
    const reference = await runReference(network, { scopes: floatScopes(network), outputs }, image);
    const measure = async (combination: Combination): Promise<number> => {
      const wide = layers.filter((_, index) => combination[index] === 1);
      const profile = {
        ...w4a4,
        layers: Object.fromEntries(wide.map((layer) => [layer, { weights: { bits: 16 } }])),
      };
      const calibrated = await calibrate(network, profile);
      const found = await runReference(network, { scopes: quantisedScopes(calibrated), outputs }, image);
      const distortion = new Distortion();
      distortion.add(
        reference.get('detection.out')?.data as Float32Array,
        found.get('detection.out')?.data as Float32Array,
      );
      return distortion.noise;
    };
    const problem: SearchProblem = {
      options: layers.map(() => 2),
      measure,
      costOf: (combination) => combination.filter((option) => option > 0).length,
      budget: 2,
      measurements: 1000,
    };
    const [found, full] = [await searchFormats(problem), await fullSearch(problem)];
    process.stdout.write(
      `greedy beside full search on ${layers.length} layers: ${decibels(found.best.noise).toFixed(2)} of ${decibels(full.noise).toFixed(2)} dB (from ${decibels(found.start.noise).toFixed(2)}), ${found.measured} of ${full.measured} measurements\n`,
    );
    expect(decibels(full.noise) - decibels(found.best.noise)).toBeLessThan(BEHIND);
    expect(found.best.noise).toBeLessThan(found.start.noise);
    expect(found.measured).toBeLessThan(full.measured);
    expect(found.best.cost).toBeLessThanOrEqual(2);
  });

  it('stays within half a decibel of the best on average, over 200 drawn problems, and never exceeds its budget', async () => {
    const gaps: number[] = [];
    let measurements = 0;
    for (let seed = 0; seed < 200; seed++) {
      const problem = drawnProblem(new Random(seed));
      const [found, full] = [await searchFormats(problem), await fullSearch(problem)];
      expect(found.best.cost).toBeLessThanOrEqual(problem.budget);
      expect(found.best.noise).toBeLessThanOrEqual(found.start.noise);
      gaps.push(decibels(full.noise) - decibels(found.best.noise));
      measurements += found.measured / full.measured;
    }
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    process.stdout.write(
      `greedy beside full search: best found in ${gaps.filter((gap) => gap < 1e-9).length} of 200, ${mean.toFixed(3)} dB below it on average, ${Math.max(...gaps).toFixed(2)} dB at most, ${((100 * measurements) / 200).toFixed(0)} % of the measurements\n`,
    );
    expect(Math.min(...gaps)).toBeGreaterThan(-1e-9);
    expect(mean).toBeLessThan(BEHIND);
  });
});

describe('the search', () => {
  const problem = (measurements: number, noise: (combination: Combination) => number): SearchProblem => ({
    options: [3, 3, 3],
    measure: (combination) => Promise.resolve(noise(combination)),
    costOf: (combination) => combination.reduce((sum, option) => sum + option, 0),
    budget: 4,
    measurements,
  });

  it('measures the combination that it recommends, however parts of it looked alone', async () => {
    // Each helps alone; the first two together undo each other.
    const noise = ([a = 0, b = 0, c = 0]: Combination): number => 10 - a - b - 0.9 * c + (a > 0 && b > 0 ? 8 : 0);
    const { best } = await searchFormats(problem(100, noise));
    expect(best.noise).toBe(noise(best.combination));
    expect(best.combination.filter((option) => option > 0)).toHaveLength(2);
    expect(best.combination[2]).toBe(2);
  });

  it('leaves everything as it is where nothing helps, and takes no layer for nothing', async () => {
    const idle = await searchFormats(problem(100, () => 1));
    expect(idle.best).toEqual(idle.start);
    const useless: SearchResult = await searchFormats(problem(100, ([a = 0]) => 5 - Math.min(a, 1)));
    expect(useless.best.combination).toEqual([1, 0, 0]);
  });

  it('says when it was cut short, and gives the best so far', async () => {
    const { best, cutShort, measured } = await searchFormats(problem(4, ([a = 0, b = 0]) => 9 - a - b));
    expect(measured).toBe(4);
    expect(cutShort).toBe(true);
    expect(best.noise).toBeLessThan(9);
  });
});

/** Noise per layer and format, costs apart, and pairs that make each other better or worse. */
function drawnProblem(random: Random): SearchProblem {
  const options = [3, 2, 4, 2, 3, 2];
  const noise = options.map((count) => {
    const own = 10 ** (-3 * random.uniform());
    return Array.from({ length: count }, (_, option) => own * 0.1 ** (option * random.uniform()));
  });
  const costs = options.map((count) => Array.from({ length: count }, (_, option) => option * (0.2 + random.uniform())));
  const pairs = options.map(() => options.map(() => 0.3 * (random.uniform() - 0.5)));
  const part = (table: readonly (readonly number[])[], combination: Combination): readonly number[] =>
    combination.map((option, layer) => table[layer]?.[option] ?? 0);
  return {
    options,
    measure: (combination) => {
      const own = part(noise, combination);
      const roots = own.map(Math.sqrt);
      const crossed = roots.flatMap((a, i) => roots.slice(i + 1).map((b, k) => a * b * (pairs[i]?.[i + 1 + k] ?? 0)));
      return Promise.resolve([...own, ...crossed].reduce((sum, term) => sum + term, 0));
    },
    costOf: (combination) => part(costs, combination).reduce((sum, cost) => sum + cost, 0),
    budget: 2.5,
    measurements: 1000,
  };
}
