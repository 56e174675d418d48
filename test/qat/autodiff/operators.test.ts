// Every operator's gradient against PyTorch over random shapes: outputs and gradients, with the runtime's optimisations off
// and on. Losses, fake-quant and the training batch norm are in gradients.test.ts.
import { describe, expect, it } from 'vitest';
import { relativeDifference } from '../differences.ts';
import { operatorCases, reference, runCase, weighed } from './operator-cases.ts';
import { tolerances } from './tolerances.ts';

const rules = [...new Set(operatorCases.map((test) => test.rule))];

describe.each(rules)('the gradient of %s', (rule) => {
  it.each(operatorCases.filter((test) => test.rule === rule))('agrees with PyTorch: $name', async (test) => {
    const compared = [
      ...weighed(test).map((output) => `out.${output}`),
      ...test.wanted.map((input) => `grad.${input}`),
    ];
    for (const optimisation of ['disabled', 'all'] as const) {
      const found = await runCase(test, optimisation);
      for (const name of compared) {
        const expected = reference(test, name);
        const actual = found.get(name);
        // Nothing flows back: absent is zero.
        if (actual === undefined && (expected.data as Float32Array).every((value) => value === 0)) continue;
        expect(actual?.shape, name).toEqual(expected.shape);
        const difference = relativeDifference(actual?.data as Float32Array, expected.data as Float32Array);
        const limit = name.startsWith('out.') ? FORWARD : (tolerances[rule]?.limit ?? 0);
        expect(difference, `${name}, optimisation ${optimisation}`).toBeLessThanOrEqual(limit);
      }
    }
  });
});

/** The runtime's own forward kernels: they only show that a case means the same to both. */
const FORWARD = 1e-5;
