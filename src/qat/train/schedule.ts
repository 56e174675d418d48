// Learning rate over a training: constant or cosine, with an optional linear warm-up.

export type Schedule = {
  readonly kind: 'constant' | 'cosine';
  /** Fraction of the first rate that a cosine ends at. */
  readonly final?: number;
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
  if (schedule.kind === 'constant') return rate;
  const final = schedule.final ?? 0;
  const progress = (step - warmup) / Math.max(1, total - warmup);
  return rate * (final + ((1 - final) * (1 + Math.cos(Math.PI * progress))) / 2);
}
