// Observers: what was seen, as a range; and no range where nothing finite was seen.
import { describe, expect, it } from 'vitest';
import { HISTOGRAM_BINS, Observation } from '../../../src/qat/quantize/observation.ts';
import { checkObserver, findRange, ObserverError } from '../../../src/qat/quantize/observers.ts';
import type { Observer } from '../../../src/qat/quantize/observers.ts';
import type { Range } from '../../../src/qat/quantize/checkpoint.ts';
import { fakeQuantValue, scaleOf } from '../../../src/qat/quantize/scheme.ts';
import type { Format } from '../../../src/qat/quantize/scheme.ts';
import { Random } from '../../../src/support/random.ts';
import { readGolden } from '../golden-file.ts';

const int8 = { bits: 8, signed: true };
const uint8 = { bits: 8, signed: false };
const int4 = { bits: 4, signed: true };

interface Found {
  range(format: Format): Range | undefined;
}

function observed(observer: Observer, ...batches: readonly (readonly number[])[]): Found {
  const observation = new Observation();
  for (const batch of batches) observation.observe(Float32Array.from(batch));
  return { range: (format) => findRange(observation, observer, format)?.range };
}

/** Written by make_observers.py. */
interface GoldenCase {
  readonly name: string;
  readonly format: 'int8' | 'uint8' | 'int4' | 'uint4';
  readonly ranges: {
    readonly [kind in 'min-max' | 'moving-average' | 'percentile' | 'mse' | 'kl']: readonly [number, number];
  };
  readonly mix: string;
}
const golden = readGolden<GoldenCase>('observers.safetensors');
const formats = {
  int8: { bits: 8, signed: true },
  uint8: { bits: 8, signed: false },
  int4: { bits: 4, signed: true },
  uint4: { bits: 4, signed: false },
};

const observers: { readonly [kind in keyof GoldenCase['ranges']]: Exclude<Observer, { readonly kind: 'mix' }> } = {
  'min-max': { kind: 'min-max' },
  'moving-average': { kind: 'moving-average', averagingConstant: 0.1 },
  percentile: { kind: 'percentile', percentile: 99.9 },
  mse: { kind: 'mse', candidates: 80 },
  kl: { kind: 'kl' },
};

function goldenObservation(name: string): Observation {
  const { data, shape } = golden.tensor(`${name}/x`);
  const size = shape[1] as number;
  const observation = new Observation();
  for (let from = 0; from < data.length; from += size)
    observation.observe((data as Float32Array).slice(from, from + size));
  return observation;
}

describe.each(golden.cases)('of $name values for $format', ({ name, format, ranges, mix }) => {
  it.each(Object.entries(observers))('%s finds the range that numpy finds', (kind, observer) => {
    const [min, max] = ranges[kind as keyof typeof ranges];
    expect(findRange(goldenObservation(name), observer, formats[format])?.range).toMatchObject({
      min: Math.fround(min) + 0,
      max: Math.fround(max) + 0,
    });
  });

  it('mix chooses the observer of least squared error that numpy chooses', () => {
    const of = [observers['min-max'], observers.percentile, observers.kl];
    expect(findRange(goldenObservation(name), { kind: 'mix', of }, formats[format])?.by).toBe(mix);
  });

  it('stored and read again, every observer finds the same range without the data', () => {
    const seen = goldenObservation(name);
    const read = Observation.fromTensors(seen.toTensors());
    if (read === undefined) throw new Error('the statistics cannot be read');
    for (const observer of Object.values(observers))
      expect(findRange(read, observer, formats[format])).toEqual(findRange(seen, observer, formats[format]));
  });
});

describe('the histogram', () => {
  it('does not depend on the order in which batches widen it', () => {
    const batches = [
      [0, 0],
      [0.3, -0.001],
      [5, 2],
      [1e-4, 0.7],
    ].map((batch) => Float32Array.from(batch));
    const counted = (order: readonly Float32Array[]) => {
      const observation = new Observation();
      for (const batch of order) observation.observe(batch);
      return observation.histogram;
    };
    expect(counted([...batches].reverse())).toEqual(counted(batches));
    expect(counted(batches).top).toBe(8);
  });

  it('counts a batch as often as its weight says', () => {
    const weighted = new Observation();
    weighted.observe(Float32Array.of(1, 2), 3);
    const repeated = new Observation();
    for (let time = 0; time < 3; time++) repeated.observe(Float32Array.of(1, 2));
    expect(weighted.histogram).toEqual(repeated.histogram);
  });
});

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

  it('is refused with the constant 0, which would keep the first batch for good', () => {
    const frozen: Observer = { kind: 'moving-average', averagingConstant: 0 };
    expect(() => checkObserver(frozen)).toThrow(ObserverError);
    expect(() => checkObserver({ kind: 'mix', of: [{ kind: 'kl' }, frozen] })).toThrow(/empty observer/);
    expect(() => checkObserver(observer)).not.toThrow();
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
