// Runs two forwards side by side over the first images of a data set and compares every output value.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { compareOutputs } from '../../qat/freeze/compare.ts';
import type { Difference } from '../../qat/freeze/compare.ts';
import type { NetworkInterface } from '../../qat/network/network.ts';
import type { Tensor } from '../../support/tensor.ts';

/** Images [N, C, H, W] in, values by name out. */
export type Forward = (images: Tensor) => Promise<ReadonlyMap<string, Tensor>>;

export interface Runnable {
  run(feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>>;
}

export function forwardOf({ input }: NetworkInterface, runnable: Runnable): Forward {
  return (images) => runnable.run(new Map([[input.name, images]]));
}

export interface ProbeResult {
  readonly images: number;
  readonly values: number;
  readonly differences: readonly Difference[];
}

/** Stops at the first batch that differs. */
export async function compareForwards(
  dataset: Dataset,
  batch: number,
  images: number,
  left: Forward,
  right: Forward,
): Promise<ProbeResult> {
  const batcher = new ImageBatcher(dataset);
  let seen = 0;
  let values = 0;
  for (const { indices, valid } of evaluationBatches(Math.min(dataset.count, images), batch)) {
    const input = batcher.images(indices);
    const comparison = compareOutputs(await left(input), await right(input));
    seen += valid;
    values += comparison.values;
    if (comparison.differences.length > 0) return { images: seen, values, differences: comparison.differences };
  }
  return { images: seen, values, differences: [] };
}

export function describeDifference(difference: Difference): string {
  return `${difference.tensor} at index ${difference.index}: ${difference.before} → ${difference.after}`;
}
