// What is not as a gate expects decides before any case: by a case of its own, or the gate fails.
import { describe, expect, test } from 'vitest';
import { evidenceWords } from '../../src/console/gate-words.ts';
import { failureWords } from '../../src/console/failure-words.ts';
import { decideGate } from '../../src/execute/gate.ts';
import type { Criterion, Expectation } from '../../src/plan/plan.ts';
import { codesOf } from '../plan/plan-of.ts';
import { linesOf, metrics, subject } from '../support/gate-numbers.ts';

const cases = [
  { name: 'pass', criteria: [{ metric: 'mIoU', percentOfReference: 99 }] },
  { name: 'fail', criteria: [] },
];
const doubtful = { name: 'doubtful', criteria: [], implausible: true } as const;
const drawn = { replicates: { images: 100, data: 'abcdef0123' } };

const decide = (expected: Expectation, value: number, reference = 0.5, withCase = true) =>
  decideGate({ cases: withCase ? [...cases, doubtful] : cases, policy: 'own', expect: expected }, [
    subject(metrics(value), metrics(reference, drawn)),
  ]);

describe('a gate that expects something', () => {
  test.each<[Expectation, string]>([
    [{ betterByAtMostPercent: 5 }, 'pass'],
    [{ betterByAtMostPercent: 0.5 }, 'doubtful'],
    [{ reference: { value: 0.51, tolerance: 0.02 } }, 'pass'],
    [{ reference: { value: 0.61, tolerance: 0.02 } }, 'doubtful'],
    [{ task: 'seg' }, 'pass'],
    [{ task: 'det' }, 'doubtful'],
    [{ images: 100 }, 'pass'],
    [{ images: 200 }, 'doubtful'],
    [{ data: 'abcdef01' }, 'pass'],
    [{ data: '01234567' }, 'doubtful'],
  ])('%j of 0.505 against 0.5 chooses %s', (expected, chosen) => {
    expect(decide(expected, 0.505)).toMatchObject({ ok: true, value: { case: chosen } });
  });

  test('fails with its numbers where it has no case for the implausible', () => {
    const verdict = decide({ betterByAtMostPercent: 5 }, 0.75, 0.5, false);
    expect(verdict).toMatchObject({ ok: false, error: { reason: 'gate-implausible' } });
    if (!verdict.ok)
      expect(failureWords(verdict.error).message).toContain(
        'seg mIoU is 50.00 % better than its reference, at most 5 % are expected: implausible',
      );
  });

  test('takes what the reference does not tell for another reference', () => {
    const unsaid = decideGate({ cases: [...cases, doubtful], policy: 'own', expect: { images: 10 } }, [
      subject(metrics(0.5), metrics(0.5)),
    ]);
    expect(unsaid).toMatchObject({ ok: true, value: { case: 'doubtful' } });
  });

  test('of an error knows that less is better', () => {
    const lower = { higherIsBetter: false };
    const judged = [subject(metrics(0.25, lower), metrics(0.5, lower))];
    const verdict = decideGate({ cases, policy: 'own', expect: { betterByAtMostPercent: 20 } }, judged);
    expect(verdict).toMatchObject({ ok: false, error: { reason: 'gate-implausible' } });
  });

  test('never chooses the implausible case otherwise', () => {
    expect(decide({ betterByAtMostPercent: 5 }, 0.25)).toMatchObject({ ok: true, value: { case: 'fail' } });
  });
});

describe('while planning', () => {
  const program = { kind: 'command', with: { argv: ['true'], outputs: { out: { type: 'metrics', path: 'm' } } } };
  const workflow = (gate: object, inputs: object = { metrics: 'a.out', reference: 'a.out' }) => ({
    name: 'expects',
    stages: { a: program, gate: { kind: 'gate', inputs, ...gate } },
  });
  const expected = { with: { expect: { betterByAtMostPercent: 5 } } };
  const rest = [
    { name: 'pass', criteria: [{ metric: 'x', atLeast: 1 }] },
    { name: 'fail', else: true },
  ];

  test('the implausible case needs something expected, and no condition of its own', () => {
    const own = { name: 'odd', implausible: true };
    expect(codesOf(workflow({ ...expected, cases: [own, ...rest] }))).toEqual([]);
    expect(codesOf(workflow({ cases: [own, ...rest] }))).toEqual(['HG1449']);
    expect(codesOf(workflow({ ...expected, cases: [{ ...own, if: true }, ...rest] }))).toEqual(['HG1448']);
    expect(codesOf(workflow({ ...expected, cases: rest }, { metrics: 'a.out' }))).toEqual(['HG1410']);
  });
});

describe('the words of a bound', () => {
  test('say which way round a percentage of an error is', () => {
    const lower = { higherIsBetter: false };
    const [line] = linesOf(
      { metric: 'mIoU', percentOfReference: 99 },
      subject(metrics(0.3477, lower), metrics(0.3411, lower)),
    );
    const words = line && evidenceWords(line);
    expect(words).toContain('against 34.11 %: 98.10 % (reference / value, lower is better)');
    expect(words).not.toContain('is 98.10 % of');
  });

  test('say worse and better, which hold of errors too, not less and more', () => {
    const of = (criterion: Criterion) => {
      const [line] = linesOf(criterion, subject(metrics(0.5), metrics(0.5)));
      return line && evidenceWords(line);
    };
    expect(of({ metric: 'mIoU', maxDegradation: 0.1 })).toContain('allows 10.00 % worse');
    expect(of({ metric: 'mIoU', minImprovement: 0.1 })).toContain('asks 10.00 % better');
  });
});
