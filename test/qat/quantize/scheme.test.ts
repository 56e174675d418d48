// Formats and scales, as the strategy defines them.
import { describe, expect, it } from 'vitest';
import {
  EPSILON,
  fakeQuantValue,
  limits,
  quantizeValue,
  roundHalfEven,
  scaleOf,
  steps,
} from '../../../src/qat/quantize/scheme.ts';

const int8 = { bits: 8, signed: true };
const uint8 = { bits: 8, signed: false };

describe('number formats', () => {
  it('are symmetric with zero point 0', () => {
    expect(limits(int8)).toEqual({ qmin: -128, qmax: 127 });
    expect(limits({ bits: 16, signed: true })).toEqual({ qmin: -32768, qmax: 32767 });
    expect(limits({ bits: 4, signed: true })).toEqual({ qmin: -8, qmax: 7 });
    expect(limits({ bits: 4, signed: false })).toEqual({ qmin: 0, qmax: 15 });
  });

  it('divide the largest magnitude by 127.5, 32767.5, 7.5, or by qmax where unsigned', () => {
    expect(
      [int8, { bits: 16, signed: true }, { bits: 4, signed: true }, uint8, { bits: 4, signed: false }].map(steps),
    ).toEqual([127.5, 32767.5, 7.5, 255, 15]);
  });
});

describe('a scale', () => {
  it('comes from the larger of both magnitudes where signed, from the maximum where unsigned', () => {
    expect(scaleOf(-2, 1, int8)).toBe(Math.fround(2 / 127.5));
    expect(scaleOf(-1, 2, int8)).toBe(Math.fround(2 / 127.5));
    expect(scaleOf(-9, 2, uint8)).toBe(Math.fround(2 / 255));
  });

  it('is never smaller than the epsilon of float32', () => {
    expect(EPSILON).toBe(1.1920928955078125e-7);
    expect(scaleOf(0, 0, int8)).toBe(EPSILON);
    expect(scaleOf(-3, -1, uint8)).toBe(EPSILON);
    expect(scaleOf(-1e-30, 1e-30, int8)).toBe(EPSILON);
  });

  it('is a float32', () => {
    for (const max of [0.1, 1 / 3, 7.7]) expect(Math.fround(scaleOf(-max, max, int8))).toBe(scaleOf(-max, max, int8));
  });
});

describe('rounding', () => {
  it('takes ties to the even neighbour, on both sides of zero', () => {
    expect([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, 126.5, 127.5].map((value) => roundHalfEven(value) + 0)).toEqual([
      0, 2, 2, 4, 0, -2, -2, 126, 128,
    ]);
    expect([0.49999, 0.50001, -0.49999, -0.50001].map((value) => roundHalfEven(value) + 0)).toEqual([0, 1, 0, -1]);
    expect([Infinity, -Infinity].map(roundHalfEven)).toEqual([Infinity, -Infinity]);
    expect(roundHalfEven(NaN)).toBeNaN();
  });

  it('saturates at the limits', () => {
    expect([1e30, -1e30, Infinity, -Infinity, 127.4, -128.4].map((value) => quantizeValue(value, 1, int8))).toEqual([
      127, -128, 127, -128, 127, -128,
    ]);
    expect([-5, 300].map((value) => quantizeValue(value, 1, uint8))).toEqual([0, 255]);
  });

  // Its step is 127.5 but for the scale's own rounding: which way it falls is up to the last bit of the scale.
  it('takes the value that made the scale to one of the two steps at its end', () => {
    const seen = new Set<number>();
    for (let magnitude = 1; magnitude < 2; magnitude += 1 / 64) {
      const scale = scaleOf(-magnitude, magnitude, int8);
      expect(quantizeValue(magnitude, scale, int8)).toBe(127);
      seen.add(quantizeValue(-magnitude, scale, int8));
      expect(fakeQuantValue(magnitude, scale, int8)).toBe(Math.fround(127 * scale));
    }
    expect([...seen].sort()).toEqual([-127, -128]);
  });
});
