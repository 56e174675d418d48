// What a training remembers of how it went, and what follows from that: which epoch is the best, whether it has gone on for long
// enough without an improvement, whether it got anywhere at all. Plain values, so that a resumed training decides the same.
import type { OwnJobFailure } from '../../events/job-protocol.ts';
import { meanOf } from '../../qat/metrics/metric.ts';
import type { ValidationSettings } from './settings.ts';

export interface ValidatedEpoch {
  /** Epochs done by then; 0 before the first step. */
  readonly epoch: number;
  /** The primary metric's value; null where there was nothing to measure. */
  readonly value: number | null;
}

export interface TrainingHistory {
  /** Loss before the first step; undefined where nobody asked. */
  readonly start?: number;
  /** Losses of the last steps, the latest last. */
  readonly recent: readonly number[];
  readonly validations: readonly ValidatedEpoch[];
  /** Name and direction of the metric, once it was measured. */
  readonly metric?: { readonly name: string; readonly higherIsBetter: boolean };
}

export const NO_HISTORY: TrainingHistory = { recent: [], validations: [] };

/** The amount by which `value` is better than `than`, in the metric's unit; nothing measured is worse than anything. */
function gain(history: TrainingHistory, value: number | null, than: number | null): number {
  if (value === null) return than === null ? 0 : -Infinity;
  if (than === null) return Infinity;
  return history.metric?.higherIsBetter === false ? than - value : value - than;
}

/** The earliest of the best; undefined before the first validation. */
export function bestEpoch(history: TrainingHistory): ValidatedEpoch | undefined {
  let best: ValidatedEpoch | undefined;
  for (const one of history.validations) if (best === undefined || gain(history, one.value, best.value) > 0) best = one;
  return best;
}

/** Whether early stopping ends the training here. */
export function isSpent(history: TrainingHistory, { earlyStopping }: Partial<ValidationSettings>): boolean {
  if (earlyStopping === undefined) return false;
  let [best, since]: [number | null, number] = [null, 0];
  for (const [index, { value }] of history.validations.entries()) {
    const improves = index === 0 || gain(history, value, best) > earlyStopping.minDelta;
    since = improves ? 0 : since + 1;
    if (improves) best = value;
  }
  return since >= earlyStopping.patience;
}

/** One validation after the start may come out the same by chance; so may one that cannot get better. */
const FEWEST_VALIDATIONS = 3;

export function stuckFailure(history: TrainingHistory, ended: 'early' | 'done'): OwnJobFailure | undefined {
  const { validations, metric } = history;
  const [first] = validations;
  if (first === undefined || metric === undefined || validations.length < 2) return undefined;
  if (ended === 'done' && validations.length < FEWEST_VALIDATIONS) return undefined;
  if (validations.some(({ value }) => value !== first.value) || isPerfect(first.value, metric.higherIsBetter))
    return undefined;
  const after = validations.at(-1)?.epoch ?? 0;
  return {
    reason: 'training-stuck',
    message: `${metric.name} on the gate split was ${String(first.value)} before training and in each of ${validations.length - 1} validations, the last after epoch ${after}`,
  };
}

function isPerfect(value: number | null, higherIsBetter: boolean): boolean {
  return value !== null && (higherIsBetter ? value >= 1 : value <= 0);
}

export function divergedFailure(
  { start, recent }: Pick<TrainingHistory, 'start' | 'recent'>,
  factor: number,
): OwnJobFailure | undefined {
  if (factor === 0 || start === undefined || !(start > 0) || recent.length === 0) return undefined;
  const end = meanOf(recent);
  if (end <= factor * start) return undefined;
  const times = (end / start).toPrecision(3);
  return {
    reason: 'training-diverged',
    message: `the loss ended at ${end.toPrecision(4)} (mean of the last ${recent.length} steps), ${times} times the ${start.toPrecision(4)} that it was before the first step; divergenceFactor allows ${factor}`,
  };
}
