// What follows from how a training went: plain decisions, so that they can be read off numbers.
import { describe, expect, test } from 'vitest';
import {
  bestEpoch,
  divergedFailure,
  isSpent,
  stuckFailure,
  type TrainingHistory,
} from '../../src/backends/embedded/training-history.ts';

function history(values: readonly (number | null)[], higherIsBetter = true): TrainingHistory {
  return {
    recent: [],
    validations: values.map((value, epoch) => ({ epoch, value })),
    metric: { name: 'mIoU', higherIsBetter },
  };
}

describe('the best epoch', () => {
  test.each([
    [[0.1, 0.3, 0.2], true, 1],
    [[0.1, 0.3, 0.3], true, 1],
    [[0.4, 0.3, 0.2], true, 0],
    [[0.4, 0.3, 0.2], false, 2],
    [[null, 0.1, null], true, 1],
    [[null, null], true, 0],
  ] as const)(
    'of %j, higher is better %j, is %i: the earliest of equals, and nothing measured is never better',
    (values, higher, epoch) => {
      expect(bestEpoch(history(values, higher))?.epoch).toBe(epoch);
    },
  );

  test('is none before anything was measured', () => {
    expect(bestEpoch(history([]))).toBeUndefined();
  });
});

describe('early stopping', () => {
  const patient = (patience: number, minDelta = 0) => ({ earlyStopping: { patience, minDelta } });

  test.each([
    [[0.1, 0.2, 0.2], 1, 0, true],
    [[0.1, 0.2, 0.2], 2, 0, false],
    [[0.1, 0.2, 0.2, 0.15], 2, 0, true],
    [[0.1, 0.2, 0.2, 0.3], 2, 0, false],
    [[0.5, 0.4, 0.3], 2, 0, true],
    // Each step is too small to count, but they add up: the best that counted is what the next is compared with.
    [[0.1, 0.11, 0.12, 0.13], 2, 0.015, false],
    [[0.1, 0.11, 0.11, 0.11], 2, 0.015, true],
  ])('after %j with patience %i and least improvement %d: %j', (values, patience, minDelta, ended) => {
    expect(isSpent(history(values), patient(patience, minDelta))).toBe(ended);
  });

  test('never comes where it was not asked for', () => {
    expect(isSpent(history([0.1, 0.1, 0.1, 0.1]), {})).toBe(false);
  });
});

describe('a metric that never moved', () => {
  test('fails the training from the second validation after the start on', () => {
    expect(stuckFailure(history([0.25, 0.25, 0.25]), 'done')).toMatchObject({
      reason: 'training-stuck',
      message: 'mIoU on the gate split was 0.25 before training and in each of 2 validations, the last after epoch 2',
    });
    expect(stuckFailure(history([0.25, 0.25]), 'done')).toBeUndefined();
    expect(stuckFailure(history([0.25, 0.25]), 'early')).toMatchObject({ reason: 'training-stuck' });
  });

  test.each([
    [[0.25, 0.26, 0.25], true],
    // What is perfect has nowhere to go.
    [[1, 1, 1], true],
    [[0, 0, 0], false],
  ] as const)('is not %j', (values, higher) => {
    expect(stuckFailure(history(values, higher), 'done')).toBeUndefined();
  });
});

describe('a loss that ends above its start', () => {
  test('by more than the factor fails the training, with both numbers', () => {
    expect(divergedFailure({ start: 2, recent: [4, 4.5] }, 2)).toMatchObject({
      reason: 'training-diverged',
      message:
        'the loss ended at 4.250 (mean of the last 2 steps), 2.13 times the 2.000 that it was before the first step; divergenceFactor allows 2',
    });
  });

  test.each([
    ['it ends at the factor', { start: 2, recent: [4] }, 2],
    ['anything is allowed', { start: 2, recent: [1000] }, 0],
    ['nobody knows the start', { recent: [1000] }, 2],
    ['the start is no positive number, of which nothing can be a multiple', { start: 0, recent: [1] }, 2],
    ['there was no step', { start: 2, recent: [] }, 2],
  ])('does not where %s', (_case, losses, factor) => {
    expect(divergedFailure(losses, factor)).toBeUndefined();
  });
});
