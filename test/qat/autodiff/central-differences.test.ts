// Every operator's gradient against central differences of its own forward pass, over the same random shapes.
import { describe, expect, it } from 'vitest';
import { derivatives } from './central-differences.ts';
import { operatorCases, reference, runCase } from './operator-cases.ts';

/**
 * Of the size of the gradient. Each of the four forward sums carries float32 rounding, some 1e-7 of its terms, and
 * dividing by 12h makes 3e-6 of it; terms may be a hundred times larger than their slopes. A single wrong element of a
 * gradient of 100 would show as 0.1.
 */
const TOLERANCE = 1e-3;
const SEED = 5;

const smooth = operatorCases.filter((test) => test.differences);

describe.each([...new Set(smooth.map((test) => test.rule))])('the gradient of %s', (rule) => {
  it.each(smooth.filter((test) => test.rule === rule))('agrees with central differences: $name', async (test) => {
    const run = await runCase(test, 'disabled');
    const gradients = new Map(
      test.wanted.map((input) => [input, run.get(`grad.${input}`) ?? reference(test, `grad.${input}`)]),
    );
    for (const [input, { found, expected, size }] of await derivatives(test, gradients, SEED))
      expect(Math.abs(found - expected), `${input}: ${found} against ${expected}`).toBeLessThanOrEqual(
        TOLERANCE * Math.max(size, 1e-3),
      );
  });
});
