// What is wrong with a scale is said in one sentence, and nothing is said of a sound one.
import { describe, expect, it } from 'vitest';
import { rangeProblem } from '../../../src/qat/quantize/scale-problems.ts';
import { EPSILON, scaleOf } from '../../../src/qat/quantize/scheme.ts';

const int8 = { bits: 8, signed: true };

describe('a range', () => {
  it.each([
    ['NaN', { min: NaN, max: 1, scale: 0.1 }, /is not finite \(min NaN/],
    ['an infinite end', { min: 0, max: Infinity, scale: 0.1 }, /is not finite/],
    ['an empty observer', { min: Infinity, max: -Infinity, scale: 1 }, /is not finite/],
    ['ends the wrong way round', { min: 1, max: -1, scale: 0.1 }, /is empty .*nothing was observed/],
    ['zeros only', { min: 0, max: 0, scale: EPSILON }, /has the smallest scale there is .*only zeros were observed/],
    ['the default scale', { min: -2, max: 2, scale: 1 }, /has the default scale 1 .*never set/],
  ])('with %s is named', (_, range, message) => {
    expect(rangeProblem(range, int8)).toMatch(message);
  });

  it('that is sound is not, a scale of 1 that was observed among them', () => {
    expect(rangeProblem({ min: -1, max: 2, scale: scaleOf(-1, 2, int8) }, int8)).toBeUndefined();
    expect(rangeProblem({ min: -127.5, max: 10, scale: 1 }, int8)).toBeUndefined();
    expect(rangeProblem({ min: -0.8, max: 100, scale: 1 }, { ...int8, powerOfTwo: true })).toBeUndefined();
  });
});
