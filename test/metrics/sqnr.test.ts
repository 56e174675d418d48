import { describe, expect, it } from 'vitest';
import { bootstrapReplicates } from '../../src/qat/metrics/bootstrap.ts';
import { NO_NOISE, Sqnr } from '../../src/qat/metrics/sqnr.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { FloatTensor } from '../../src/support/tensor.ts';

const row = (...values: readonly number[]): FloatTensor => floatTensor([1, values.length], Float32Array.from(values));
const both = (a: FloatTensor, b: FloatTensor = a): ReadonlyMap<string, FloatTensor> =>
  new Map([
    ['a', a],
    ['b', b],
  ]);

describe('signal to quantisation noise', () => {
  it('is that of the sums over all images, in decibels, the worst output’s', () => {
    const metric = new Sqnr(['a', 'b']);
    metric.add(both(row(10, 1), row(4, 3)), both(row(10, 0), row(4, 3)), [0]);
    metric.add(both(row(0, 0), row(0.5, 0)), both(row(0, 0), row(0, 0)), [1]);
    // a: 100 over 1; b: 25 over 1/4.
    expect(metric.finish()).toMatchObject({
      values: { sqnr: 20 },
      classes: { sqnr: { a: 20, b: 20 } },
      units: { sqnr: 'dB' },
      higherIsBetter: { sqnr: true },
      count: 2,
    });
    metric.add(both(row(0, 0), row(1, 0)), both(row(0, 0), row(0, 0)), [2]);
    const { values, classes } = metric.finish();
    expect(classes['sqnr']?.['a']).toBe(20);
    expect(values['sqnr']).toBeCloseTo(10 * Math.log10(25 / 1.25), 12);
  });

  it('of equal outputs is a number that stands for no noise', () => {
    const metric = new Sqnr(['a', 'b']);
    metric.add(both(row(1, 2)), both(row(1, 2)), [0]);
    expect(metric.finish().values['sqnr']).toBe(NO_NOISE);
  });

  it('of noise without any signal is no number that a gate would take', () => {
    const metric = new Sqnr(['a', 'b']);
    metric.add(both(row(1, 2)), both(row(0, 0)), [0]);
    expect(metric.finish().values['sqnr']).toBe(-Infinity);
    expect(new Sqnr(['a']).finish().values['sqnr']).toBeNaN();
  });

  it('is taken again over images that are drawn', () => {
    const metric = new Sqnr(['a', 'b']);
    for (let image = 0; image < 9; image++) metric.add(both(row(image + 1.1, 1)), both(row(image + 1, 1)), [image]);
    const { values, classes } = bootstrapReplicates(metric.finish(), { count: 30, seed: 1, block: 1 });
    expect(new Set(values['sqnr']).size).toBeGreaterThan(10);
    expect(classes['sqnr']?.['a']).toEqual(values['sqnr']);
  });

  it('looks at the outputs of the head alone, and refuses others and what is not finite', () => {
    const metric = new Sqnr(['a', 'b']);
    expect(() => metric.add(both(row(1)), new Map([['a', row(1)]]), [0])).toThrow('output "b" is not that of');
    expect(() => metric.add(both(row(1), row(1)), both(row(1), row(NaN)), [3])).toThrow('image 3 holds NaN');
  });
});
