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

export function forwardOf({ input }: Pick<NetworkInterface, 'input'>, runnable: Runnable): Forward {
  return (images) => runnable.run(new Map([[input.name, images]]));
}

/** Of an exported file, which takes images in the layout that its model came in. */
export function exportedForwardOf({ input }: NetworkInterface, runnable: Runnable): Forward {
  if (input.fileLayout === 'NCHW') return forwardOf({ input }, runnable);
  return (images) => runnable.run(new Map([[input.name, channelsLast(images)]]));
}

function channelsLast({ shape, data }: Tensor): Tensor {
  const [n, c, h, w] = shape as readonly [number, number, number, number];
  const [from, to] = [data as Float32Array, new Float32Array(data.length)];
  const pixels = h * w;
  for (let image = 0; image < n; image++)
    for (let channel = 0; channel < c; channel++)
      for (let pixel = 0; pixel < pixels; pixel++)
        to[(image * pixels + pixel) * c + channel] = from[(image * c + channel) * pixels + pixel] as number;
  return { dtype: 'float32', shape: [n, h, w, c], data: to };
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
