// Learning rate over a training: constant, cosine or in steps, with an optional linear warm-up; and from which step on
// something is frozen. Plain numbers: what they drive are scalar inputs of the compiled program.

export type Schedule =
  | { readonly kind: 'constant'; readonly warmupEpochs?: number }
  /** Half a cosine (Loshchilov and Hutter 2017, without restarts). */
  | {
      readonly kind: 'cosine';
      /** Fraction of the first rate that is left at the end. */ readonly final?: number;
      readonly warmupEpochs?: number;
    }
  /** Multiplied by `factor` at each of the `epochs`. */
  | {
      readonly kind: 'step';
      readonly epochs: readonly number[];
      readonly factor: number;
      readonly warmupEpochs?: number;
    };

/** The rate of step `step` (from 0) of `total`. */
export function learningRateAt(
  schedule: Schedule,
  rate: number,
  step: number,
  total: number,
  stepsPerEpoch: number,
): number {
  const warmup = Math.round((schedule.warmupEpochs ?? 0) * stepsPerEpoch);
  if (step < warmup) return (rate * (step + 1)) / warmup;
  switch (schedule.kind) {
    case 'constant':
      return rate;
    case 'cosine': {
      const final = schedule.final ?? 0;
      const progress = (step - warmup) / Math.max(1, total - warmup);
      return rate * (final + ((1 - final) * (1 + Math.cos(Math.PI * progress))) / 2);
    }
    case 'step':
      return rate * schedule.factor ** schedule.epochs.filter((epoch) => step >= epoch * stepsPerEpoch).length;
  }
}

/** When something stops moving: after so many epochs (fractions allowed) or steps. */
export type FreezePoint = { readonly epochs: number } | { readonly steps: number };

/** Whether step `step` (from 0) lies after the point; without one nothing freezes. */
export function isFrozenAt(point: FreezePoint | undefined, step: number, stepsPerEpoch: number): boolean {
  if (point === undefined) return false;
  return step >= ('steps' in point ? point.steps : Math.round(point.epochs * stepsPerEpoch));
}
