// Every operator's gradient against central differences of its own forward pass, over the same random shapes. Headgate's own
// operators are in own-rules.test.ts.
import { describe, expect, it } from 'vitest';
import { allowed, derivatives } from './central-differences.ts';
import { operatorCases, reference, runCase } from './operator-cases.ts';

const SEED = 5;

const smooth = operatorCases.filter((test) => test.differences);

describe.each([...new Set(smooth.map((test) => test.rule))])('the gradient of %s', (rule) => {
  it.each(smooth.filter((test) => test.rule === rule))('agrees with central differences: $name', async (test) => {
    const run = await runCase(test, 'disabled');
    const gradients = new Map(
      test.wanted.map((input) => [input, run.get(`grad.${input}`) ?? reference(test, `grad.${input}`)]),
    );
    for (const [input, derivative] of await derivatives(test, gradients, SEED)) {
      const { found, expected } = derivative;
      expect(Math.abs(found - expected), `${input}: ${found} against ${expected}`).toBeLessThanOrEqual(
        allowed(derivative),
      );
    }
  });
});
