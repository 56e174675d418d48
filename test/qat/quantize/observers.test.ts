// Observers: what was seen, as a range; and no range where nothing finite was seen.
import { describe, expect, it } from 'vitest';
import { HISTOGRAM_BINS, Observation } from '../../../src/qat/quantize/observers.ts';
import type { Observer } from '../../../src/qat/quantize/observers.ts';
import { fakeQuantValue, scaleOf } from '../../../src/qat/quantize/scheme.ts';
import { Random } from '../../../src/support/random.ts';

const int8 = { bits: 8, signed: true };
const uint8 = { bits: 8, signed: false };
const int4 = { bits: 4, signed: true };

function observed(observer: Observer, ...batches: readonly (readonly number[])[]): Observation {
  const observation = new Observation(observer);
  for (const batch of batches) observation.observe(Float32Array.from(batch));
  if (observation.needsSecondPass) for (const batch of batches) observation.count(Float32Array.from(batch));
  return observation;
}

const bell = (count: number): readonly number[] => {
  const random = new Random(4);
  return Array.from({ length: count }, () => random.normal());
};

describe('the min-max observer', () => {
  it('keeps the extremes of all batches', () => {
    expect(observed({ kind: 'min-max' }, [1, -2], [0.5, 3], [0]).range(int8)).toEqual({
      min: -2,
      max: 3,
      scale: Math.fround(3 / 127.5),
    });
    expect(observed({ kind: 'min-max' }, [0, 2]).range(uint8)).toEqual({ min: 0, max: 2, scale: Math.fround(2 / 255) });
  });

  it('has no range when it saw nothing, a NaN or an infinity, in whatever batch', () => {
    const broken: readonly (readonly number[])[][] = [
      [],
      [[]],
      [[1, NaN, 2]],
      [[NaN], [1]],
      [[1], [NaN]],
      [[Infinity, 1]],
      [[1], [-Infinity]],
    ];
    for (const batches of broken) expect(observed({ kind: 'min-max' }, ...batches).range(int8)).toBeUndefined();
  });

  it('never gives −0, which would not survive an averaging constant of 0', () => {
    const range = observed({ kind: 'min-max' }, [-0, 1]).range(uint8);
    expect(Object.is(range?.min, 0)).toBe(true);
  });
});

describe('the moving-average observer', () => {
  const observer: Observer = { kind: 'moving-average', averagingConstant: 0.25 };

  it('takes the first batch whole and moves by the constant from then on', () => {
    expect(observed(observer, [-1, 4]).range(int8)).toMatchObject({ min: -1, max: 4 });
    expect(observed(observer, [-1, 4], [-3, 8]).range(int8)).toMatchObject({ min: -1.5, max: 5 });
    expect(observed(observer, [-1, 4], [-3, 8], [-1.5, 1]).range(int8)).toMatchObject({ min: -1.5, max: 4 });
  });

  it('takes the first batch whole even with the constant 0, and stays there', () => {
    expect(observed({ kind: 'moving-average', averagingConstant: 0 }, [-1, 4], [-100, 100]).range(int8)).toMatchObject({
      min: -1,
      max: 4,
    });
  });
});

describe('the percentile observer', () => {
  it('leaves out the rarest magnitudes, to one bin', () => {
    const values = [
      ...Array.from({ length: 9990 }, (_, index) => index / 9990),
      ...Array.from({ length: 10 }, () => 100),
    ];
    const range = observed({ kind: 'percentile', percentile: 99.9 }, values).range(int8);
    expect(range?.max).toBeGreaterThanOrEqual(0.99);
    expect(range?.max).toBeLessThanOrEqual(1 + 100 / HISTOGRAM_BINS);
    expect(range?.min).toBe(0);
  });

  it('is min-max at 100 percent, and counts over all batches', () => {
    expect(observed({ kind: 'percentile', percentile: 100 }, [-1, 2], [3, -5]).range(int8)).toMatchObject({
      min: -5,
      max: 3,
    });
  });
});

describe('the MSE observer', () => {
  it('finds a threshold whose error is not above that of the full range', () => {
    const values = [...bell(20_000), 12];
    const range = observed({ kind: 'mse', candidates: 100 }, values).range(int4);
    const error = (scale: number): number =>
      values.reduce((sum, value) => sum + (value - fakeQuantValue(value, scale, int4)) ** 2, 0);
    expect(range?.max).toBeLessThan(12);
    expect(error(range?.scale as number)).toBeLessThan(error(scaleOf(-12, 12, int4)) / 2);
  });

  it('gives an all-zero activation the smallest scale, for calibration to refuse', () => {
    for (const observer of [
      { kind: 'mse', candidates: 10 },
      { kind: 'percentile', percentile: 99 },
    ] as const) {
      expect(observed(observer, [0, 0]).range(int8)?.scale).toBe(2 ** -23);
    }
  });
});
