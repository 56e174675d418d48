// Conditions are bounded in time, whether they are checked or decided, and say so at their place.
import { expect, test } from 'vitest';
import { checkCondition, evaluateCondition } from '../../src/expression/condition.ts';
import { codesOf, command, gate } from '../plan/plan-of.ts';

const scope = { sets: undefined, reference: false, iteration: false };
const slow = `'${'a'.repeat(60)}!'.matches('^(a+)+$')`;
const values = { metrics: { n: 1 }, classes: {} };

test('a condition that reads nothing and takes for ever is refused while planning', () => {
  expect(checkCondition(slow, scope)).toEqual({
    message: 'it takes longer than 1 s',
    start: 0,
    length: slow.length,
  });
  const stages = {
    m: command(),
    g: gate('m.out', ['a', 'b'], {
      cases: [
        { name: 'a', expression: slow },
        { name: 'b', else: true },
      ],
    }),
  };
  expect(codesOf({ name: 'w', stages })).toEqual(['HG1425']);
});

test('one that takes for ever only with the measured numbers fails when it is decided', () => {
  const condition = `metrics.n < 0 || ${slow}`;
  expect(checkCondition(condition, scope)).toBeUndefined();
  expect(evaluateCondition(condition, scope, values)).toEqual({ ok: false, error: 'it takes longer than 1 s' });
});

test('one that multiplies values in macros is stopped like any other', () => {
  const doubled = `metrics.n < 0 || [['a']]${'.map(a, a + a)'.repeat(40)}.size() > 0`;
  expect(evaluateCondition(doubled, scope, values)).toEqual({ ok: false, error: 'it takes longer than 1 s' });
});

test('texts are not taken apart: a doubled one would fill the memory', () => {
  const split = `metrics.n < 0 || ['a']${'.map(a, a + a)'.repeat(27)}[0].split('').size() > 0`;
  expect(checkCondition(split, scope)?.message).toBe('split is not for conditions: they are about numbers');
});

test('one that reads nothing and is decided at once is taken', () => {
  expect(checkCondition('1 < 2', scope)).toBeUndefined();
  expect(checkCondition('1 / 0 < 2', scope)?.message).toMatch(/zero/);
});
