// How far the integer runtime, with its optimisations on, strays from VALIDATION: values, steps and saturation. What that
// costs in accuracy is for `validate`.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Network } from '../../qat/network/network.ts';
import { activationScale, placementFor } from '../../qat/network/reference.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { limits } from '../../qat/quantize/scheme.ts';
import type { Tensor } from '../../support/tensor.ts';
import { ForwardRunner } from './forward-runner.ts';
import type { Forward } from './probe.ts';
import { forwardOf } from './probe.ts';

export interface RuntimeGap {
  readonly [figure: string]: number;
  /** Share of output values that differ. */
  readonly differing: number;
  readonly largest: number;
  /** The outputs' largest magnitude. */
  readonly magnitude: number;
  /** The largest difference in steps of an int8 grid over the outputs' range. */
  readonly largestSteps: number;
}

export async function measureGap(
  dataset: Dataset,
  batch: number,
  images: number,
  output: string,
  left: Forward,
  right: Forward,
): Promise<RuntimeGap> {
  const batcher = new ImageBatcher(dataset);
  let [values, different, largest, magnitude] = [0, 0, 0, 0];
  for (const { indices } of evaluationBatches(Math.min(dataset.count, images), batch)) {
    const input = batcher.images(indices);
    const a = ((await left(input)).get(output) as Tensor).data as Float32Array;
    const b = ((await right(input)).get(output) as Tensor).data as Float32Array;
    for (let index = 0; index < a.length; index++) {
      const gap = Math.abs((a[index] as number) - (b[index] as number));
      values++;
      if (gap > 0) different++;
      largest = Math.max(largest, gap);
      magnitude = Math.max(magnitude, Math.abs(a[index] as number));
    }
  }
  const largestSteps = magnitude === 0 ? 0 : largest / (magnitude / 127.5);
  return { differing: different / values, largest, magnitude, largestSteps };
}

export interface Saturation {
  readonly [figure: string]: number;
  /** Quantised activations at the ends of their grids, and all of them, on the first batch. */
  readonly saturated: number;
  readonly activations: number;
}

export async function measureSaturation(
  network: Network,
  scopes: ReadonlyMap<string, ScopeForward>,
  dataset: Dataset,
  batch: number,
  threads: number,
): Promise<Saturation> {
  const { activations } = placementFor(network, scopes);
  const runner = await ForwardRunner.start({ network, scopes, outputs: [...activations.keys()], batch, threads });
  const indices = evaluationBatches(dataset.count, batch)[0]?.indices ?? new Uint32Array(0);
  const seen = await forwardOf(network, runner)(new ImageBatcher(dataset).images(indices));
  await runner.release();
  let [saturated, count] = [0, 0];
  for (const [value, quantizer] of activations) {
    const scale = activationScale(quantizer, scopes);
    const { qmin, qmax } = limits(quantizer.format);
    const [low, high] = [Math.fround(qmin * scale), Math.fround(qmax * scale)];
    const data = seen.get(value)?.data as Float32Array;
    count += data.length;
    // Zero is the lower end of an unsigned grid, and no saturation.
    for (const x of data) if (x === high || (qmin < 0 && x === low)) saturated++;
  }
  return { saturated, activations: count };
}
