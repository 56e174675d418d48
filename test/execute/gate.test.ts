// Gate decisions: first match, directions, margins, and numbers that no gate may judge.
import { describe, expect, test } from 'vitest';
import type { MetricsFact } from '../../src/events/run-events.ts';
import { evidenceWords } from '../../src/console/gate-words.ts';
import { decideGate, type GateSubject, type Verdict } from '../../src/execute/gate.ts';
import type { GateCase } from '../../src/plan/plan.ts';

function fact(value: number, options: Partial<MetricsFact> = {}): MetricsFact {
  return {
    port: 'metrics',
    task: 'detection',
    primary: 'mAP',
    values: { mAP: value },
    units: { mAP: 'fraction' },
    higherIsBetter: { mAP: true },
    ...options,
  };
}

const judged = (own: MetricsFact, reference?: MetricsFact): GateSubject => ({
  head: 'detection',
  sets: [
    {
      metrics: { fact: own, classes: {} },
      ...(reference === undefined ? {} : { reference: { fact: reference, classes: {} } }),
    },
  ],
});
const subject = (value: number, reference?: number): GateSubject =>
  judged(fact(value), reference === undefined ? undefined : fact(reference));
const LADDER: readonly GateCase[] = [
  { name: 'accept', criteria: [{ metric: 'primary', percentOfReference: 99 }] },
  { name: 'fixed', criteria: [{ metric: 'primary', percentOfReference: 95 }] },
  { name: 'qat', criteria: [{ metric: 'primary', percentOfReference: 90, strict: true }] },
  { name: 'low', criteria: [] },
];

function verdictOf(cases: readonly GateCase[], first: GateSubject, ...others: GateSubject[]): Verdict {
  const decided = decideGate({ cases, policy: others.length > 0 ? 'all' : 'own' }, [first, ...others]);
  if (!decided.ok) throw new Error(JSON.stringify(decided.error));
  return decided.value;
}

describe('the ladder', () => {
  test.each([
    [0.8, 'accept'],
    [0.792, 'accept'],
    [0.791, 'fixed'],
    [0.76, 'fixed'],
    [0.73, 'qat'],
    [0.72, 'low'], // "more than 90 %" does not hold at 90 %
    [0.1, 'low'],
  ])('at %d of a float 0.8 chooses %s', (value, expected) => {
    expect(verdictOf(LADDER, subject(value, 0.8)).case).toBe(expected);
  });

  test('keeps the evidence of every case it looked at, with margins', () => {
    const { evidence } = verdictOf(LADDER, subject(0.77, 0.8));
    expect(evidence.map((line) => [line.case, line.held])).toEqual([
      ['accept', false],
      ['fixed', true],
    ]);
    expect(evidence[0]).toMatchObject({
      percent: expect.closeTo(96.25, 10) as number,
      margin: expect.closeTo(-2.75, 10) as number,
    });
  });
});

describe('a strict bound of no improvement', () => {
  const better: readonly GateCase[] = [
    { name: 'trained', criteria: [{ metric: 'primary', minImprovement: 0, strict: true }] },
    { name: 'calibrated', criteria: [] },
  ];

  test.each([
    [0.9866, 0.9752, 'calibrated', 'is below 98.66 %, trained asks better: falls short (−0.0114)'],
    [0.9866, 0.9866, 'calibrated', 'is equal to 98.66 %, trained asks better: falls short (+0)'],
    [0.9866, 0.9867, 'trained', 'is above 98.66 %, trained asks better: holds (+1.00e-4)'],
    [0, 0.5, 'trained', 'is above 0.00 %, trained asks better: holds (+0.5)'],
  ])(
    'keeps of %d calibrated and %d trained the better, the calibrated of equals',
    (calibrated, trained, kept, words) => {
      const verdict = verdictOf(better, subject(trained, calibrated));
      expect(verdict.case).toBe(kept);
      expect(verdict.evidence.map(evidenceWords)[0]).toContain(words);
    },
  );

  test('asks for less where lower is better', () => {
    const lower = { higherIsBetter: { mAP: false } };
    expect(verdictOf(better, judged(fact(0.3, lower), fact(0.4, lower))).case).toBe('trained');
    expect(verdictOf(better, judged(fact(0.4, lower), fact(0.3, lower))).case).toBe('calibrated');
  });
});

test('percent is reference over value where lower is better', () => {
  const lower = { higherIsBetter: { mAP: false } };
  const verdict = verdictOf(LADDER, judged(fact(0.5, lower), fact(0.4, lower)));
  expect(verdict).toMatchObject({ case: 'low', evidence: [{ percent: 80 }, { percent: 80 }, { percent: 80 }] });
});

test.each([
  ['atLeast', { metric: 'mAP', atLeast: 0.5 }, 0.5, true],
  ['atMost', { metric: 'mAP', atMost: 0.5 }, 0.6, false],
  ['maxDegradation', { metric: 'mAP', maxDegradation: 0.25 }, 0.5, true],
] as const)('%s compares in the metric’s own unit', (rule, criterion, value, held) => {
  const { evidence } = verdictOf(
    [
      { name: 'yes', criteria: [criterion] },
      { name: 'no', criteria: [] },
    ],
    subject(value, 0.75),
  );
  expect(evidence[0]).toMatchObject({ rule, held });
});

describe('the policy "all"', () => {
  const cases: readonly GateCase[] = [
    { name: 'pass', criteria: [{ metric: 'primary', percentOfReference: 99 }] },
    { name: 'all-finetune', criteria: [] },
  ];
  test('chooses for every head as soon as one falls short, and names that head', () => {
    const { case: chosen, evidence } = verdictOf(cases, subject(0.8, 0.8), {
      ...subject(0.7, 0.8),
      head: 'segmentation',
    });
    expect(chosen).toBe('all-finetune');
    expect(evidence.find(({ held }) => !held)).toMatchObject({ head: 'segmentation' });
  });
});

describe('verdicts of other gates', () => {
  const decided = { detection: 'done', segmentation: 'exhausted' };
  const chosen = (first: NonNullable<GateCase['verdicts']>) => {
    const cases: readonly GateCase[] = [
      { name: 'keep', criteria: [], verdicts: first },
      { name: 'escalate', criteria: [] },
    ];
    const verdict = decideGate({ cases, policy: 'own' }, [], { decided });
    return verdict.ok ? [verdict.value.case, ...verdict.value.evidence.map(evidenceWords)] : verdict.error;
  };
  test('all of them count for `every`, one is enough for `some`, and the evidence names who chose what', () => {
    expect(chosen({ every: ['pass', 'done'] })).toEqual([
      'escalate',
      'detection → done, segmentation → exhausted; keep asks pass or done of every one: falls short',
    ]);
    expect(chosen({ every: ['done', 'exhausted'] })).toContain('keep');
    expect(chosen({ some: ['exhausted'] })).toContain('keep');
    expect(chosen({ some: ['pass'] })).toContain('escalate');
  });
});

describe('a number that no gate may judge fails the gate instead of deciding', () => {
  const failure = (first: GateSubject, cases = LADDER) => {
    const decided = decideGate({ cases, policy: 'own' }, [first]);
    return decided.ok ? decided.value : decided.error;
  };
  test('a missing metric', () => {
    const cases: readonly GateCase[] = [
      { name: 'yes', criteria: [{ metric: 'mIoU', atLeast: 1 }] },
      { name: 'no', criteria: [] },
    ];
    expect(failure(subject(1), cases)).toEqual({ reason: 'metric-missing', metric: 'mIoU', available: ['mAP'] });
  });
  test('NaN', () => {
    expect(failure(subject(NaN, 1))).toMatchObject({ reason: 'metric-not-finite', metric: 'mAP' });
  });
  test('a reference of zero', () => {
    expect(failure(subject(0.5, 0))).toEqual({ reason: 'reference-not-positive', metric: 'mAP', value: 0 });
  });
  test('another unit', () => {
    const other = judged(fact(74), fact(0.74, { units: { mAP: 'percent' } }));
    expect(failure(other)).toEqual({
      reason: 'unit-mismatch',
      metric: 'mAP',
      unit: 'fraction',
      referenceUnit: 'percent',
    });
  });
});

describe('the time that a loop has worked', () => {
  const cases: readonly GateCase[] = [
    { name: 'done', criteria: [{ metric: 'primary', percentOfReference: 99 }] },
    { name: 'spent', criteria: [], longerThanMs: 60_000 },
    { name: 'again', criteria: [] },
  ];
  const chosen = (value: number, spentMs: number) => {
    const verdict = decideGate({ cases, policy: 'own' }, [subject(value, 0.8)], { spentMs });
    return verdict.ok ? [verdict.value.case, ...verdict.value.evidence.slice(1).map(evidenceWords)] : verdict.error;
  };
  test('ends it when it is over the budget, not when it is equal to it, and never when the numbers are good', () => {
    expect(chosen(0.5, 60_001)).toEqual(['spent', '1 min 00 s of 1 min 00 s spent: no further iteration']);
    expect(chosen(0.5, 60_000)).toEqual(['again', '1 min 00 s of 1 min 00 s spent']);
    expect(chosen(0.8, 600_000)).toEqual(['done']);
  });
});
