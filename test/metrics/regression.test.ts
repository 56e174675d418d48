// Root mean square and mean absolute error, against scikit-learn and by hand.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Regression } from '../../src/qat/metrics/regression.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { FloatTensor } from '../../src/support/tensor.ts';

interface Case {
  readonly shape: readonly [number, number, ...number[]];
  readonly targets: readonly number[];
  readonly outputs: readonly number[];
  readonly rmse: number;
  readonly rmsePerChannel: readonly number[];
  readonly mae: number;
  readonly maePerChannel: readonly number[];
}

const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as {
  regression: readonly Case[];
};
/** Sums in another order. */
const tolerance = 12;

const row = (...values: readonly number[]): FloatTensor => floatTensor([1, values.length], Float32Array.from(values));

describe('regression', () => {
  it.each(golden.regression)('agrees with scikit-learn on $shape, however it is batched', (entry) => {
    const [images, channels, ...grid] = entry.shape;
    const each = entry.outputs.length / images;
    const names = Array.from({ length: channels }, (_, index) => `c${index}`);
    const metric = new Regression({ channels: names });
    const batch = 3;
    for (let start = 0; start < images; start += batch) {
      const list = Array.from({ length: batch }, (_, place) => Math.min(images - 1, start + place));
      const of = (values: readonly number[]): FloatTensor =>
        floatTensor(
          [batch, channels, ...grid],
          Float32Array.from(list.flatMap((image) => values.slice(image * each, (image + 1) * each))),
        );
      metric.add(of(entry.outputs), of(entry.targets), list, Math.min(batch, images - start));
    }
    const { values, classes } = metric.finish();
    expect(values['rmse']).toBeCloseTo(entry.rmse, tolerance);
    expect(values['mae']).toBeCloseTo(entry.mae, tolerance);
    for (const [index, name] of names.entries()) {
      expect(classes['rmse']?.[name]).toBeCloseTo(entry.rmsePerChannel[index] as number, tolerance);
      expect(classes['mae']?.[name]).toBeCloseTo(entry.maePerChannel[index] as number, tolerance);
    }
  });

  it('takes the root over all images, not their mean', () => {
    const metric = new Regression({ channels: ['depth'], unit: 'm', primary: 'mae' });
    metric.add(row(1), row(1), [0]);
    metric.add(row(6), row(0), [1]);
    expect(metric.finish()).toMatchObject({
      primary: 'mae',
      values: { rmse: Math.sqrt(18), mae: 3 },
      units: { rmse: 'm', mae: 'm' },
      higherIsBetter: { rmse: false, mae: false },
      count: 2,
    });
  });

  it('is NaN, not zero, when nothing was measured', () => {
    expect(new Regression({ channels: ['depth'] }).finish().values).toEqual({ rmse: NaN, mae: NaN });
  });

  it('refuses outputs that are not finite and other shapes', () => {
    const metric = new Regression({ channels: ['x', 'y'] });
    expect(() => metric.add(row(0, Number.NaN), row(0, 0), [4])).toThrow('image 4 holds NaN at position 1');
    expect(() => metric.add(row(0, 0), row(0, 0, 0), [4])).toThrow('are not 2 channels of one grid');
  });
});
