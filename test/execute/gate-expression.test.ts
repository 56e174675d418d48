// Conditions in CEL: what they see, and what fails the gate instead of being false.
import { describe, expect, test } from 'vitest';
import type { GateSubject } from '../../src/execute/gate.ts';
import type { Replicates } from '../../src/execute/metrics-document.ts';
import { evidenceWords } from '../../src/console/gate-words.ts';
import { checkCondition } from '../../src/expression/condition.ts';
import { decide, linesOf, metrics, subject } from '../support/gate-numbers.ts';

describe('an expression', () => {
  const own = metrics(0.5, { classes: { road: 0.75, car: 0.25 } });
  const judge = (expression: string, judged: GateSubject = subject(own, metrics(0.5))) => {
    const verdict = decide([], judged, { expression });
    return verdict.ok ? verdict.value : verdict.error;
  };

  test('holds or not, and keeps the numbers that it names', () => {
    const expression = 'metrics.mIoU >= 0.4 && metrics.mIoU / reference.mIoU > 0.98';
    expect(judge(expression)).toEqual({
      format: 'headgate-verdict',
      version: 1,
      case: 'pass',
      evidence: [
        {
          case: 'pass',
          head: 'seg',
          rule: 'expression',
          expression,
          read: { 'metrics.mIoU': 0.5, 'reference.mIoU': 0.5 },
          held: true,
        },
      ],
    });
    expect(judge('classes.mIoU.all(name, classes.mIoU[name] > 0.3)')).toMatchObject({ case: 'fail' });
  });

  test('holds together with criteria, not instead of them', () => {
    const verdict = decide([{ metric: 'mIoU', atLeast: 0.75 }], subject(own), { expression: 'metrics.mIoU > 0.1' });
    expect(verdict).toMatchObject({ ok: true, value: { case: 'fail' } });
  });

  test('sees sets by name, and how many iterations were before', () => {
    const sets = [
      { name: 'day', metrics: metrics(0.75) },
      { name: 'night', metrics: metrics(0.25) },
    ];
    const day: GateSubject = { head: 'seg', sets };
    expect(judge('metrics.day.mIoU > 0.5 && metrics.night.mIoU > 0.2', day)).toMatchObject({ case: 'pass' });
    const third = subject(own, undefined, [metrics(0.1), metrics(0.2)]);
    expect(judge('iteration == 2', third)).toMatchObject({ case: 'pass' });
  });

  test.each([
    ['metrics.mAP > 0.1', 'there is no metrics.mAP (metrics has: mIoU)'],
    ['metrics.mIoU > 0.9 && metrics.mAP > 0.1', 'there is no metrics.mAP (metrics has: mIoU)'],
    ['(metrics.mIoU - reference.mIoU) / (metrics.mIoU - reference.mIoU) > 1', '0 / 0 is NaN'],
    ['!(metrics.mIoU / (metrics.mIoU - reference.mIoU) > 1)', '0.5 / 0 is Infinity'],
    ['metrics["constructor"] > 0', 'there is no metrics.constructor (metrics has: mIoU)'],
  ])('%s fails the gate: %s', (expression, problem) => {
    expect(judge(expression)).toEqual({ reason: 'expression-failed', expression, problem });
  });

  describe('over bootstrap bounds', () => {
    const spread = Array.from({ length: 99 }, (_, index) => (index + 1) / 100); // 0.01 … 0.99
    const drawn = (value: number, factor: number, more: Partial<Replicates> = {}) =>
      metrics(value, {
        replicates: { count: 99, values: { mIoU: spread.map((one) => factor * one) }, ...more },
      });

    test('takes the rank that a criterion with the same confidence takes, from either side', () => {
      const verdict = judge(
        'lower(metrics.mIoU, 0.95) == 0.05 && upper(metrics.mIoU, 0.95) == 0.95',
        subject(drawn(0.5, 1)),
      );
      expect(verdict).toMatchObject({
        case: 'pass',
        evidence: [{ bounds: { 'lower(metrics.mIoU, 0.95)': 0.05, 'upper(metrics.mIoU, 0.95)': 0.95 } }],
      });
    });

    test('pairs what it computes of, replicate by replicate, and says so in words', () => {
      const asked = 'lower(100.0 * metrics.mIoU / reference.mIoU, 0.95) >= 89.9';
      const verdict = judge(asked, subject(drawn(0.45, 0.9), drawn(0.5, 1)));
      expect(verdict).toMatchObject({ case: 'pass' });
      // Both vary between 0.01 and 0.99; their ratio does not.
      const [line] = 'evidence' in verdict ? verdict.evidence : [];
      expect(line && evidenceWords(line)).toContain('lower(100.0 * metrics.mIoU / reference.mIoU, 0.95) 90)');
      const margin = linesOf(
        { metric: 'mIoU', percentOfReference: 80, confidence: 0.95 },
        subject(drawn(0.45, 0.9), drawn(0.5, 1)),
      )[0]?.confidence?.margin;
      expect(margin).toBeCloseTo(10, 10);
    });

    test('follows classes too', () => {
      const classes = { road: 0.5, car: 0.3 };
      const replicates = {
        count: 99,
        values: {},
        classes: { mIoU: { road: spread, car: spread.map((one) => one / 2) } },
      };
      const own = subject(metrics(0.4, { classes, replicates }));
      expect(judge('classes.mIoU.all(name, lower(classes.mIoU[name], 0.95) >= 0.025)', own)).toMatchObject({
        case: 'pass',
      });
      expect(judge('lower(classes.mIoU.car, 0.95) > 0.025', own)).toMatchObject({ case: 'fail' });
    });

    test.each([
      ['metrics without replicates', 'lower(metrics.mIoU, 0.95) > 0', subject(own), /the metrics have none/],
      ['too few', 'lower(metrics.mIoU, 0.999) > 0', subject(drawn(0.5, 1)), /99 replicates are too few/],
      [
        'replicates of other images',
        'lower(metrics.mIoU - reference.mIoU, 0.95) > 0',
        subject(drawn(0.5, 1), drawn(0.5, 1, { seed: 7 })),
        /do not pair: seed is 0 and 7/,
      ],
      [
        'replicates without a value',
        'lower(metrics.mIoU, 0.95) > 0',
        subject(drawn(0.5, 1, { values: { mIoU: [null, ...spread.slice(1)] } })),
        /1 of 99 replicates have no value/,
      ],
    ])('fails the gate on %s', (_, expression, judged, problem) => {
      expect(judge(expression, judged)).toMatchObject({
        reason: 'expression-failed',
        problem: expect.stringMatching(problem) as string,
      });
    });

    test('is checked before anything runs: a measured number, and a confidence in range', () => {
      const scope = { sets: undefined, reference: false, iteration: false };
      expect(checkCondition('lower(metrics.mIoU, 0.95) > 0.1', scope)).toBeUndefined();
      expect(checkCondition('lower(0.5, 0.95) > 0.1', scope)?.message).toMatch(/no matching overload|lower/);
      expect(checkCondition('lower(metrics.mIoU, "high") > 0.1', scope)).toBeDefined();
      expect(checkCondition('upper(metrics.mIoU, 95.0) > 0.1', scope)).toEqual({
        message: 'a confidence of 95 is out of range: it must be more than 0.5 and less than 1',
        start: 20,
        length: 4,
      });
    });
  });

  test('may ask whether a metric is there', () => {
    expect(judge('!has(metrics.mAP) || metrics.mIoU > 0.9')).toMatchObject({ case: 'pass' });
  });
});
