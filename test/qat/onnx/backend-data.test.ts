// ONNX's own backend test data through headgate's import. Every case whose operators headgate claims must give the expected
// outputs, except those listed with a reason. The data is found by HEADGATE_ONNX_TESTDATA (see bench/operators/).
import { describe, expect, it } from 'vitest';
import { backendCases, DATA_VARIABLE, runBackendCase } from '../../../bench/operators/backend-data.ts';
import { gradientRules } from '../../../src/qat/autodiff/registry.ts';

const data = process.env[DATA_VARIABLE];

/** Claimed cases that cannot pass, by a pattern of their name. */
const exceptions: readonly (readonly [pattern: RegExp, because: string])[] = [
  [/bernoulli/, 'random: the expected outputs are one draw'],
  [/training_dropout/, 'random: the expected outputs are one draw'],
  [/FLOAT16|float16/, 'the runtime port carries no float16 outputs'],
  [/bitshift_\w+_uint16|(max|min)_u?int16/, 'onnxruntime has no CPU kernel for the type'],
  [/maxunpool_export_with_output_shape/, "onnxruntime's MaxUnpool reads the indices otherwise"],
  [
    /resize_downsample_scales_(cubic|linear)_align_corners/,
    'a broken output size: onnxruntime rounds it before it aligns',
  ],
];

/** 98 operators with a gradient and the rest: fewer passed cases mean that an import broke. */
const LEAST_PASSED = 769;

describe.skipIf(data === undefined)(
  `ONNX's backend test data (skipped unless ${DATA_VARIABLE} names its folder)`,
  () => {
    it('is imported and gives the expected outputs, or is refused on import', { timeout: 300_000 }, async () => {
      const wrong: string[] = [];
      let passed = 0;
      for (const folder of backendCases(data ?? '')) {
        const { name, operators, outcome, why } = await runBackendCase(folder);
        if (operators.length === 0 || !operators.every((op) => gradientRules.has(op))) continue;
        if (outcome === 'passed') passed++;
        else if (outcome !== 'refused' && !exceptions.some(([pattern]) => pattern.test(name)))
          wrong.push(`${name} ${outcome}: ${why}`);
      }
      expect(wrong).toEqual([]);
      expect(passed).toBeGreaterThanOrEqual(LEAST_PASSED);
    });
  },
);
