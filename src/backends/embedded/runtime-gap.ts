// How far the integer runtime, with its optimisations on, strays from VALIDATION: values, steps, saturation, and the metric
// on the images of the proof. The deployed accuracy on a whole split is for `validate`.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { ancestorsOf } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import { activationScale, placementFor } from '../../qat/network/reference.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { Sqnr } from '../../qat/metrics/sqnr.ts';
import { limits } from '../../qat/quantize/scheme.ts';
import type { JsonObject } from '../../support/json.ts';
import type { Tensor } from '../../support/tensor.ts';
import { ForwardRunner } from './forward-runner.ts';
import type { Forward } from './probe.ts';
import { forwardOf } from './probe.ts';
import { headOf } from './settings.ts';
import type { TaskSettings } from './settings.ts';
import { firstImages, meterFor } from './task-metric.ts';
import type { Meter } from './task-metric.ts';

export interface GapRequest {
  readonly task: TaskSettings;
  readonly dataset: Dataset;
  readonly batch: number;
  /** Only the first images. */
  readonly images: number;
  /** The head's output. */
  readonly output: string;
  readonly validation: Forward;
  readonly optimised: Forward;
  /** Optimised too, its int8 activations left as they are. */
  readonly int8: Forward;
}

/** Types, so that they are plain JSON to the compiler too. */
export type ValueGap = {
  /** Share of output values that differ. */
  readonly differing: number;
  readonly largest: number;
  /** The largest difference in steps of an int8 grid over the outputs' range. */
  readonly largestSteps: number;
};

export type RuntimeGap = {
  /** The task's primary metric on these images; null where they do not define it. */
  readonly metric: string;
  readonly validation: number | null;
  readonly deployed: number | null;
  readonly change: number | null;
  /** The outputs' largest magnitude. */
  readonly magnitude: number;
  readonly optimised: ValueGap;
  /** With int8 activations left as they are, whose kernels do not saturate: what the gap is without saturation. */
  readonly int8Activations: ValueGap;
};

export async function measureGap(request: GapRequest): Promise<RuntimeGap> {
  const { task, dataset, output } = request;
  const batcher = new ImageBatcher(dataset);
  const [reference, deployed] = [meterFor(task, dataset), meterFor(task, dataset)];
  const apart = new Sqnr([output]);
  const [optimised, int8] = [new Gap(), new Gap()];
  let magnitude = 0;
  for (const { indices, valid } of evaluationBatches(Math.min(dataset.count, request.images), request.batch)) {
    const input = batcher.images(indices);
    const valuesOf = async (forward: Forward): Promise<Tensor> => (await forward(input)).get(output) as Tensor;
    const [right, fast, signed] = [
      await valuesOf(request.validation),
      await valuesOf(request.optimised),
      await valuesOf(request.int8),
    ];
    const seen = indices.subarray(0, valid);
    reference?.add(right, seen);
    deployed?.add(fast, seen);
    if (reference === undefined)
      apart.add(new Map([[output, firstImages(fast, valid)]]), new Map([[output, firstImages(right, valid)]]), seen);
    optimised.add(right, fast);
    int8.add(right, signed);
    for (const value of right.data as Float32Array) magnitude = Math.max(magnitude, Math.abs(value));
  }
  return {
    ...(reference === undefined || deployed === undefined ? distanceOf(apart) : changeOf(reference, deployed)),
    magnitude,
    optimised: optimised.finish(magnitude),
    int8Activations: int8.finish(magnitude),
  };
}

function changeOf(reference: Meter, deployed: Meter) {
  const [before, after] = [reference.finish(), deployed.finish()];
  const [left, right] = [before.values[before.primary] ?? NaN, after.values[before.primary] ?? NaN];
  const defined = (value: number): number | null => (Number.isFinite(value) ? value : null);
  return {
    metric: before.primary,
    validation: defined(left),
    deployed: defined(right),
    change: defined(right - left),
  };
}

/** Without labels: how far the runtime's outputs are from those of VALIDATION. */
function distanceOf(apart: Sqnr) {
  const { primary, values } = apart.finish();
  const decibels = values[primary] ?? NaN;
  return {
    metric: primary,
    validation: null,
    deployed: Number.isFinite(decibels) ? decibels : null,
    change: null,
  };
}

class Gap {
  private values = 0;
  private different = 0;
  private largest = 0;

  add(left: Tensor, right: Tensor): void {
    for (const [index, value] of (left.data as Float32Array).entries()) {
      const gap = Math.abs(value - (right.data[index] as number));
      this.values++;
      if (gap > 0) this.different++;
      this.largest = Math.max(this.largest, gap);
    }
  }

  finish(magnitude: number): ValueGap {
    return {
      differing: this.values === 0 ? 0 : this.different / this.values,
      largest: this.largest,
      largestSteps: magnitude === 0 ? 0 : this.largest / (magnitude / 127.5),
    };
  }
}

export type Saturation = {
  /** Quantised activations at the ends of their grids, and all of them, on the first batch. */
  readonly saturated: number;
  readonly activations: number;
};

/** By scope, for the head and the scopes that it stands on. */
export async function measureSaturation(
  network: Network,
  all: ReadonlyMap<string, ScopeForward>,
  task: TaskSettings,
  dataset: Dataset,
  { batch, threads }: { readonly batch: number; readonly threads: number },
): Promise<JsonObject> {
  const used = [headOf(task), ...ancestorsOf(network.scopes, headOf(task))];
  const scopes = new Map([...all].filter(([scope]) => used.includes(scope)));
  const { activations } = placementFor(network, scopes);
  const runner = await ForwardRunner.start({ network, scopes, outputs: [...activations.keys()], batch, threads });
  const indices = evaluationBatches(dataset.count, batch)[0]?.indices ?? new Uint32Array(0);
  const seen = await forwardOf(network, runner)(new ImageBatcher(dataset).images(indices));
  await runner.release();
  const found: { [scope: string]: Saturation } = {};
  for (const [value, quantizer] of activations) {
    const scale = activationScale(quantizer, scopes);
    const { qmin, qmax } = limits(quantizer.format);
    const [low, high] = [Math.fround(qmin * scale), Math.fround(qmax * scale)];
    const data = seen.get(value)?.data as Float32Array;
    let { saturated, activations: count } = found[quantizer.scope] ?? { saturated: 0, activations: 0 };
    count += data.length;
    // Zero is the lower end of an unsigned grid, and no saturation.
    for (const x of data) if (x === high || (qmin < 0 && x === low)) saturated++;
    found[quantizer.scope] = { saturated, activations: count };
  }
  return found;
}
