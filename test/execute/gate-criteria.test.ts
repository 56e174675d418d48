// Every rule with numbers worked out by hand, in both directions; classes, sets, hysteresis, confidence, expressions.
import { describe, expect, test } from 'vitest';
import { decideGate, type GateSubject } from '../../src/execute/gate.ts';
import type { CriterionEvidence } from '../../src/execute/gate-evidence.ts';
import { marginOf } from '../../src/execute/gate-margin.ts';
import type { MetricsDocument, Replicate, Replicates } from '../../src/execute/metrics-document.ts';
import type { Criterion, GateCase, Rule } from '../../src/plan/plan.ts';

interface Numbers {
  readonly classes?: { readonly [name: string]: number };
  readonly replicates?: Partial<Replicates>;
  readonly higherIsBetter?: boolean;
}

function metrics(value: number, { classes, replicates, higherIsBetter = true }: Numbers = {}): MetricsDocument {
  const drawn = { method: 'bootstrap', count: 0, seed: 0, block: 1, images: 10, data: null, values: {}, classes: {} };
  return {
    fact: {
      port: 'metrics',
      task: 'seg',
      primary: 'mIoU',
      values: { mIoU: value },
      units: { mIoU: 'fraction' },
      higherIsBetter: { mIoU: higherIsBetter },
    },
    classes: classes === undefined ? {} : { mIoU: classes },
    ...(replicates === undefined ? {} : { replicates: { ...drawn, ...replicates } }),
  };
}

function subject(
  own: MetricsDocument,
  reference?: MetricsDocument,
  history: readonly MetricsDocument[] = [],
): GateSubject {
  return { head: 'seg', sets: [{ metrics: own, ...(reference === undefined ? {} : { reference }) }], history };
}

function decide(criteria: readonly Criterion[], judged: GateSubject, more: Partial<GateCase> = {}) {
  const cases = [
    { name: 'pass', criteria, ...more },
    { name: 'fail', criteria: [] },
  ];
  return decideGate({ cases, policy: 'own' }, [judged]);
}

function linesOf(criterion: Criterion, judged: GateSubject): readonly CriterionEvidence[] {
  const verdict = decide([criterion], judged);
  if (!verdict.ok) throw new Error(JSON.stringify(verdict.error));
  return verdict.value.evidence as readonly CriterionEvidence[];
}

const failureOf = (criterion: Criterion, judged: GateSubject) => {
  const verdict = decide([criterion], judged);
  return verdict.ok ? verdict.value : verdict.error;
};

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
    history: [],
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
});

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
    const day: GateSubject = { head: 'seg', sets, history: [] };
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

  test('may ask whether a metric is there', () => {
    expect(judge('!has(metrics.mAP) || metrics.mIoU > 0.9')).toMatchObject({ case: 'pass' });
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
