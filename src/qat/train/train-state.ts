// How one scope takes part in a training: what is trained of it, and what its batch norms do. Not for what nodes come of that.

/** How a scope takes part in a training. */
export interface TrainState {
  readonly state: 'FLOAT' | 'QAT';
  readonly trained: boolean;
  /**
   * 'train' and 'kept': the batch's own statistics, running ones follow; 'frozen': the saved ones, unchanged; 'folded': none.
   * γ and β are trained in all but 'folded', where β alone is left.
   */
  readonly batchNorm: 'train' | 'kept' | 'frozen' | 'folded';
}

/** Whether the running statistics of the scope's batch norms follow the batches. */
export function movesStatistics({ trained, batchNorm }: TrainState): boolean {
  return trained && (batchNorm === 'train' || batchNorm === 'kept');
}
