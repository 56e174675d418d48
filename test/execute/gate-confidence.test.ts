// Confidence: the lower bound of the margin over paired replicates decides, and replicates that cannot say so fail the gate.
import { describe, expect, test } from 'vitest';
import type { MetricsDocument, Replicates } from '../../src/execute/metrics-document.ts';
import type { Replicate } from '../../src/expression/sampled-number.ts';
import type { Criterion } from '../../src/plan/plan.ts';
import { failureOf, linesOf, metrics, subject } from '../support/gate-numbers.ts';

describe('confidence', () => {
  const spread = Array.from({ length: 99 }, (_, index) => (index + 1) / 100); // 0.01 … 0.99
  const own = metrics(0.5, { replicates: { count: 99, values: { mIoU: spread } } });

  test('asks that the lower bound of the margin is not negative, whatever the point says', () => {
    // B + 1 = 100: the lower 95 % bound is the 5th smallest of 99.
    const [held] = linesOf({ metric: 'mIoU', atLeast: 0.05, confidence: 0.95 }, subject(own));
    expect(held).toMatchObject({ held: true, confidence: { level: 0.95, margin: 0 } });
    const [short] = linesOf({ metric: 'mIoU', atLeast: 0.0625, confidence: 0.95 }, subject(own));
    expect(short).toMatchObject({ held: false, margin: 0.4375, confidence: { margin: 0.05 - 0.0625 } });
  });

  test('counts ranks exactly where 1 − confidence is not a binary fraction', () => {
    const [line] = linesOf({ metric: 'mIoU', atLeast: 0, confidence: 0.9 }, subject(own));
    expect(line?.confidence?.margin).toBe(0.1);
  });

  test('pairs the replicates of the model and its reference by index', () => {
    // Every replicate of the model is 0.9 of the reference's, so the bound is sharp although both vary widely.
    const reference = metrics(0.5, { replicates: { count: 99, values: { mIoU: spread } } });
    const model = metrics(0.45, { replicates: { count: 99, values: { mIoU: spread.map((value) => 0.9 * value) } } });
    const [line] = linesOf({ metric: 'mIoU', percentOfReference: 89, confidence: 0.95 }, subject(model, reference));
    expect(line?.confidence?.margin).toBeCloseTo(1, 10);
    expect(line?.held).toBe(true);
  });

  test('of the worst class takes the least margin within each replicate, without classes that are not in it', () => {
    const classes: { readonly [name: string]: readonly Replicate[] } = {
      road: Array.from({ length: 19 }, () => 0.5),
      car: Array.from({ length: 19 }, (_, index) => (index === 0 ? 0.25 : null)),
    };
    const model = metrics(0.5, {
      classes: { road: 0.5, car: 0.375 },
      replicates: { count: 19, values: { mIoU: [] }, classes: { mIoU: classes } },
    });
    const [line] = linesOf({ metric: 'mIoU', worstClass: true, atLeast: 0.25, confidence: 0.95 }, subject(model));
    expect(line).toMatchObject({ class: 'car', confidence: { margin: 0 }, held: true });
    const [higher] = linesOf({ metric: 'mIoU', worstClass: true, atLeast: 0.375, confidence: 0.9 }, subject(model));
    expect(higher).toMatchObject({ confidence: { margin: 0.125 }, held: true });
  });

  test('without it the point decides and an interval is told', () => {
    const [line] = linesOf({ metric: 'mIoU', atLeast: 0.5 }, subject(own));
    expect(line).toMatchObject({ held: true, margin: 0 });
    expect(line?.interval).toEqual({ level: 0.95, low: 0.02 - 0.5, high: 0.98 - 0.5 });
    expect(linesOf({ metric: 'mIoU', atLeast: 0.5 }, subject(metrics(0.5)))[0]).not.toHaveProperty('interval');
  });

  describe('fails the gate, and is never false,', () => {
    const asked: Criterion = { metric: 'mIoU', maxDegradation: 1, confidence: 0.95 };
    const drawn = { count: 99, values: { mIoU: spread } };
    const with99 = (more: Partial<Replicates> = {}): MetricsDocument =>
      metrics(0.5, { replicates: { ...drawn, ...more } });

    test('without replicates on either side', () => {
      expect(failureOf(asked, subject(metrics(0.5), own))).toEqual({
        reason: 'replicates-missing',
        metric: 'mIoU',
        whose: 'metrics',
      });
      expect(failureOf(asked, subject(own, metrics(0.5)))).toMatchObject({ whose: 'reference' });
    });

    test.each([
      ['seed', { seed: 1 }],
      ['block', { block: 4 }],
      ['images', { images: 11 }],
      ['count', { count: 98, values: { mIoU: spread.slice(1) } }],
      ['method', { method: 'jackknife' }],
    ] as const)('with another %s', (field, more) => {
      expect(failureOf(asked, subject(own, with99(more)))).toMatchObject({ reason: 'replicates-unpaired', field });
    });

    test('on other data, where both say what they were measured on', () => {
      expect(failureOf(asked, subject(with99({ data: 'a' }), with99({ data: 'b' })))).toMatchObject({ field: 'data' });
      expect(failureOf(asked, subject(with99({ data: 'a' }), with99()))).toMatchObject({ case: 'pass' });
    });

    test('with too few replicates for the level', () => {
      expect(failureOf({ ...asked, confidence: 0.999 }, subject(own, own))).toEqual({
        reason: 'replicates-too-few',
        count: 99,
        confidence: 0.999,
      });
    });

    test('with replicates in which the margin is undefined', () => {
      const values = { mIoU: [null, ...spread.slice(1)] };
      expect(failureOf(asked, subject(own, with99({ values })))).toEqual({
        reason: 'replicates-undefined',
        metric: 'mIoU',
        undefinedCount: 1,
        count: 99,
      });
    });
  });
});
