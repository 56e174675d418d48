// What is wrong with a scale that an observer left behind: looked at after calibration, after QAT and wherever a checkpoint is
// loaded, since a quantiser with such a scale runs without complaint and gives nothing but clipped values.
import type { Range } from './checkpoint.ts';
import { EPSILON, scaleOf } from './scheme.ts';
import type { Format } from './scheme.ts';

/** @returns undefined for a sound range; `format` may be unknown for one that has no quantiser. */
export function rangeProblem({ min, max, scale }: Range, format: Format | undefined): string | undefined {
  const numbers = `min ${min}, max ${max}, scale ${scale}`;
  if (![min, max, scale].every(Number.isFinite)) return `is not finite (${numbers})`;
  if (min > max) return `is empty (${numbers}): nothing was observed`;
  if (scale <= EPSILON) {
    const why = min === 0 && max === 0 ? 'only zeros were observed' : 'what was observed is too small for its format';
    return `has the smallest scale there is (${numbers}): ${why}`;
  }
  if (scale === 1 && format !== undefined && scaleOf(min, max, format) !== 1)
    return `has the default scale 1 (${numbers}): it was never set from what was observed`;
  return undefined;
}
