// Every rule with numbers worked out by hand, in both directions; classes, sets, hysteresis.
import { describe, expect, test } from 'vitest';
import { evidenceWords } from '../../src/console/gate-words.ts';
import { decideGate, type GateSubject } from '../../src/execute/gate.ts';
import { marginOf } from '../../src/execute/gate-margin.ts';
import type { Criterion, GateCase, Rule } from '../../src/plan/plan.ts';
import { decide, failureOf, linesOf, metrics, subject } from '../support/gate-numbers.ts';

describe('the margin of a rule', () => {
  test.each<[Rule, number, boolean, number, number, number]>([
    // rule, threshold, higher is better, value, reference, margin
    ['atLeast', 0.5, true, 0.75, NaN, 0.25],
    ['atMost', 0.5, false, 0.75, NaN, -0.25],
    ['maxDegradation', 0.25, true, 0.5, 0.625, 0.125],
    ['maxDegradation', 0.25, false, 0.625, 0.5, 0.125],
    ['maxDegradation', 0.25, true, 0.75, 0.5, 0.5],
    ['maxDegradationPercent', 10, true, 0.375, 0.5, -15],
    ['maxDegradationPercent', 10, false, 0.5, 0.5, 10],
    ['minImprovement', 0.125, true, 0.75, 0.5, 0.125],
    ['minImprovement', 0.125, false, 0.75, 0.5, -0.375],
    ['minImprovementPercent', 20, true, 0.625, 0.5, 5],
    ['minImprovementPercent', 20, false, 0.375, 0.5, 5],
    ['percentOfReference', 90, true, 0.5, 0.625, -10],
    ['percentOfReference', 90, false, 0.625, 0.5, -10],
  ])('%s %d (higher is better: %s) of %d against %d is %d', (rule, threshold, higher, value, reference, margin) => {
    expect(marginOf({ rule, threshold }, higher, value, reference).margin).toBeCloseTo(margin, 12);
  });
});

describe('a relative percent rule', () => {
  test('tells a change for the worse with the minus sign of its margin', () => {
    const [line] = linesOf({ metric: 'mIoU', minImprovementPercent: 5 }, subject(metrics(0.375), metrics(0.5)));
    expect(line && evidenceWords(line)).toContain('is −25.00 % better than');
  });

  test.each([{ maxDegradationPercent: 5 }, { minImprovementPercent: 5 }] as const)(
    '%o refuses a reference that is not positive',
    (rule) => {
      expect(failureOf({ metric: 'mIoU', ...rule }, subject(metrics(0.5), metrics(0)))).toEqual({
        reason: 'reference-not-positive',
        metric: 'mIoU',
        value: 0,
      });
    },
  );
});

describe('the worst class', () => {
  const own = metrics(0.5, { classes: { road: 0.75, car: 0.25, sign: 0.5 } });

  test('decides a threshold and is named', () => {
    const [line] = linesOf({ metric: 'primary', worstClass: true, atLeast: 0.375 }, subject(own));
    expect(line).toMatchObject({ class: 'car', value: 0.25, margin: -0.125, held: false });
  });

  test('of a relative rule is the one that lost most against its own reference', () => {
    const reference = metrics(0.5, { classes: { road: 1, car: 0.25, sign: 0.5 } });
    const [line] = linesOf({ metric: 'mIoU', worstClass: true, percentOfReference: 80 }, subject(own, reference));
    expect(line).toMatchObject({ class: 'road', percent: 75, margin: -5, held: false });
  });

  test('fails the gate where a class is measured on one side only, or no class is', () => {
    const reference = metrics(0.5, { classes: { road: 1, car: 0.25, bus: 0.5 } });
    const relative: Criterion = { metric: 'mIoU', worstClass: true, maxDegradation: 1 };
    expect(failureOf(relative, subject(own, reference))).toMatchObject({
      reason: 'metric-missing',
      metric: 'mIoU of class sign',
    });
    const absolute: Criterion = { metric: 'mIoU', worstClass: true, atLeast: 0 };
    expect(failureOf(absolute, subject(metrics(0.5)))).toMatchObject({ reason: 'metric-missing' });
  });
});

describe('several evaluation sets', () => {
  const judged: GateSubject = {
    head: 'seg',
    sets: [
      { name: 'day', metrics: metrics(0.75), reference: metrics(0.5) },
      { name: 'night', metrics: metrics(0.25), reference: metrics(0.5) },
    ],
  };

  test('must all hold, each against its own reference', () => {
    const lines = linesOf({ metric: 'mIoU', percentOfReference: 90 }, judged);
    expect(lines.map(({ set, percent, held }) => [set, percent, held])).toEqual([
      ['day', 150, true],
      ['night', 50, false],
    ]);
  });

  test('but a criterion for one of them looks at that one', () => {
    expect(linesOf({ metric: 'mIoU', set: 'day', atLeast: 0.5 }, judged)).toMatchObject([{ set: 'day', held: true }]);
    const verdict = decide([{ metric: 'mIoU', set: 'day', atLeast: 0.5 }], judged);
    expect(verdict).toMatchObject({ ok: true, value: { case: 'pass' } });
  });
});

describe('hysteresis', () => {
  const criterion: Criterion = { metric: 'mIoU', atLeast: 0.5, hysteresis: { below: 0.125, iterations: 2 } };
  const after = (...values: readonly number[]): GateSubject =>
    subject(
      metrics(values.at(-1) ?? 0),
      undefined,
      values.slice(0, -1).map((value) => metrics(value)),
    );

  test.each([
    [[0.5], 1, false, 'met once is not twice'],
    [[0.5, 0.4375], 2, true, 'met before, within the band since'],
    [[0.4375, 0.4375], 0, false, 'within the band and never met'],
    [[0.5, 0.25, 0.4375], 0, false, 'fell out of the band, which forgets that it was met'],
    [[0.5, 0.25, 0.5, 0.4375], 2, true, 'met again after that'],
    [[0.5, 0.375, 0.375], 3, true, 'exactly at the edge of the band'],
    [[0.25, 0.5], 1, false, 'met only now'],
  ])('over %j counts %d in a row and holds: %s (%s)', (values, row, held) => {
    const [line] = linesOf(criterion, after(...values));
    expect(line).toMatchObject({ held, hysteresis: { row } });
  });

  test.each([
    [[0.5], 'not yet (+0)'],
    [[0.25], 'falls short (−0.25)'],
    [[0.5, 0.4375], 'holds (−0.0625)'],
  ])('over %j is told as %s', (values, words) => {
    const [line] = linesOf(criterion, after(...values));
    expect(line && evidenceWords(line)).toContain(words);
  });

  test('follows every evaluation set by its own history', () => {
    const [day, night] = [
      [0.5, 0.4375],
      [0.25, 0.5],
    ].map((values) => values.map((value) => metrics(value)));
    const judged: GateSubject = {
      head: 'seg',
      sets: [
        { name: 'day', metrics: metrics(0.4375), history: day ?? [] },
        { name: 'night', metrics: metrics(0.4375), reference: metrics(0.5), history: night ?? [] },
      ],
    };
    const three: Criterion = { ...criterion, hysteresis: { below: 0.125, iterations: 3 } };
    expect(linesOf(three, judged)).toMatchObject([
      { set: 'day', held: true, hysteresis: { row: 3 } },
      { set: 'night', held: false, hysteresis: { row: 2 } },
    ]);
    expect(linesOf({ ...three, set: 'day' }, judged)).toHaveLength(1);
  });
});

test('pass, marginal and fail are only names of cases', () => {
  const cases: readonly GateCase[] = [
    { name: 'pass', criteria: [{ metric: 'primary', percentOfReference: 99 }] },
    { name: 'marginal', criteria: [{ metric: 'primary', percentOfReference: 95 }] },
    { name: 'fail', criteria: [] },
  ];
  const chosen = [0.5, 0.48, 0.4].map((value) => {
    const verdict = decideGate({ cases, policy: 'own' }, [subject(metrics(value), metrics(0.5))]);
    return verdict.ok ? verdict.value.case : verdict.error.reason;
  });
  expect(chosen).toEqual(['pass', 'marginal', 'fail']);
});
