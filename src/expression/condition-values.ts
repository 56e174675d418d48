// What a condition is decided on: the measured numbers by name, looked up by path and handed to the CEL library.
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { Sample } from './sampled-number.ts';

/** Nested maps of numbers, as deep as the variable's type says. */
export type ConditionValue = number | Sample | { readonly [name: string]: ConditionValue };
export type ConditionValues = { readonly [variable: string]: ConditionValue };

export function valueAt(values: ConditionValues, path: readonly string[]): Result<ConditionValue, string> {
  let value: ConditionValue = values;
  for (const [depth, key] of path.entries()) {
    if (typeof value === 'number' || value instanceof Sample)
      return err(`${path.slice(0, depth).join('.')} is a number`);
    if (!Object.hasOwn(value, key)) {
      const known = Object.keys(value).join(', ') || 'nothing';
      return err(`there is no ${path.slice(0, depth + 1).join('.')} (${path.slice(0, depth).join('.')} has: ${known})`);
    }
    value = value[key] as ConditionValue;
  }
  return ok(value);
}

export function contextOf(values: ConditionValues): { readonly [variable: string]: unknown } {
  const inner = (value: ConditionValue): unknown =>
    typeof value === 'number' || value instanceof Sample ? value : mapped(value, inner);
  return mapped(values, (value) => (typeof value === 'number' ? BigInt(value) : inner(value)));
}

function mapped(values: ConditionValues, to: (value: ConditionValue) => unknown): { readonly [name: string]: unknown } {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, to(value)]));
}
