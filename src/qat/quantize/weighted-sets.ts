// Calibration data of several sets, each with its weight. Batches of several sets alternate, so that a moving average does not
// end on one of them.

export interface WeightedSet<Batch> {
  readonly batches: readonly Batch[];
  /** How often each of its values counts in histograms and means; extremes know no weight. */
  readonly weight: number;
}

export interface WeightedBatch<Batch> {
  readonly batch: Batch;
  readonly weight: number;
}

/** The first batch of every set, then the second of every set that has one, and so on. */
export function* alternating<Batch>(sets: readonly WeightedSet<Batch>[]): Generator<WeightedBatch<Batch>> {
  const most = Math.max(...sets.map(({ batches }) => batches.length));
  for (let index = 0; index < most; index++) {
    for (const { batches, weight } of sets) {
      const batch = batches[index];
      if (batch !== undefined) yield { batch, weight };
    }
  }
}
