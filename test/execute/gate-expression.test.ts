// Conditions in CEL: what they see, and what fails the gate instead of being false.
import { describe, expect, test } from 'vitest';
import type { GateSubject } from '../../src/execute/gate.ts';
import { decide, metrics, subject } from '../support/gate-numbers.ts';

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
