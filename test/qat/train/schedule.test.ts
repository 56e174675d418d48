// The learning rate over a training, and when something freezes.
import { describe, expect, it } from 'vitest';
import { isFrozenAt, learningRateAt } from '../../../src/qat/train/schedule.ts';

const TOTAL = 100;
const PER_EPOCH = 10;

describe('a schedule', () => {
  it('keeps a constant rate', () => {
    expect([0, 50, 99].map((step) => learningRateAt({ kind: 'constant' }, 0.1, step, TOTAL, PER_EPOCH))).toEqual([
      0.1, 0.1, 0.1,
    ]);
  });

  it('falls along half a cosine to zero, or to the final fraction', () => {
    const at = (step: number, final?: number): number =>
      learningRateAt({ kind: 'cosine', ...(final === undefined ? {} : { final }) }, 0.2, step, TOTAL, PER_EPOCH);
    expect(at(0)).toBeCloseTo(0.2, 12);
    expect(at(50)).toBeCloseTo(0.1, 12);
    expect(at(100)).toBeCloseTo(0, 12);
    expect(at(50, 0.1)).toBeCloseTo(0.11, 12);
    expect(at(100, 0.1)).toBeCloseTo(0.02, 12);
    const rates = Array.from({ length: TOTAL }, (_, step) => at(step));
    expect(rates.every((rate, step) => step === 0 || rate < (rates[step - 1] as number))).toBe(true);
  });

  it('multiplies by the factor at each of its epochs, as torch.optim.lr_scheduler.MultiStepLR', () => {
    const at = (step: number): number =>
      learningRateAt({ kind: 'step', epochs: [3, 6.5], factor: 0.1 }, 0.5, step, TOTAL, PER_EPOCH);
    expect([0, 29].map(at)).toEqual([0.5, 0.5]);
    expect([30, 64].map(at)).toEqual([0.05, 0.05]);
    for (const step of [65, 99]) expect(at(step)).toBeCloseTo(0.005, 12);
  });

  it('warms up linearly, reaches the full rate at the end of the warm-up and falls from there', () => {
    const at = (step: number): number => learningRateAt({ kind: 'cosine', warmupEpochs: 2 }, 1, step, TOTAL, PER_EPOCH);
    expect([0, 9, 19].map(at)).toEqual([0.05, 0.5, 1]);
    expect(at(20)).toBeCloseTo(1, 12);
    expect(at(60)).toBeCloseTo(0.5, 12);
  });
});

describe('a freeze point', () => {
  const at = (point: Parameters<typeof isFrozenAt>[0], step: number): boolean => isFrozenAt(point, step, PER_EPOCH);

  it('lets so many steps pass, and freezes every one after them', () => {
    expect([0, 3, 4, 99].map((step) => at({ steps: 4 }, step))).toEqual([false, false, true, true]);
    expect(at({ steps: 0 }, 0)).toBe(true);
  });

  it('takes fractions of epochs', () => {
    expect([14, 15].map((step) => at({ epochs: 1.5 }, step))).toEqual([false, true]);
    expect(at({ epochs: 0 }, 0)).toBe(true);
  });

  it('never comes where there is none', () => {
    expect(at(undefined, 1e9)).toBe(false);
  });
});
