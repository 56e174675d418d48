import { expect, it } from 'vitest';
import { looseValidatorOf, type Validator } from '../../src/spec/validators.ts';
import type { JsonObject } from '../../src/support/json.ts';

function validatorOf(schema: JsonObject): Validator {
  const validator = looseValidatorOf(schema);
  if (!validator.ok) throw new Error(validator.error);
  return validator.value;
}

const slow = '^(a+)+$';

it('matches as any pattern does', () => {
  const valid = validatorOf({ properties: { a: { pattern: '^a$' }, b: { pattern: '^b$' } } });
  expect([valid({ a: 'a', b: 'b' }), valid({ a: 'a', b: 'a' }), valid({ a: 'b', b: 'b' })]).toEqual([
    true,
    false,
    false,
  ]);
});

it('gives a pattern that takes forever a moment, and all of a schema no more than that', () => {
  const names = Array.from({ length: 50 }, (_, index) => `p${index}`);
  const properties = Object.fromEntries(names.map((name) => [name, { pattern: slow }]));
  const values = Object.fromEntries(names.map((name) => [name, `${'a'.repeat(64)}!`]));
  const startedAt = performance.now();
  expect(validatorOf({ properties })(values)).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(5000);
});

it('tells what is no pattern when the schema is compiled', () => {
  expect(looseValidatorOf({ properties: { a: { pattern: '(' } } }).ok).toBe(false);
});
