// Measures a task on a data set through any forward: batches in order, metric at the end.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { MetricResult } from '../../qat/metrics/metric.ts';
import { Sqnr } from '../../qat/metrics/sqnr.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import type { JobContext } from './job-context.ts';
import type { Forward } from './probe.ts';
import type { TaskSettings } from './settings.ts';
import { firstImages, meterFor } from './task-metric.ts';
import { checkOutputFits } from './tasks.ts';

export interface MeasureRequest {
  readonly task: TaskSettings;
  readonly dataset: Dataset;
  /** The head's outputs in the forward's result; metrics of labels read the first. */
  readonly outputs: readonly [string, ...string[]];
  readonly batch: number;
  /** The float model, for a metric that compares with it. */
  readonly float?: Forward;
}

type Values = ReadonlyMap<string, Tensor>;

interface Accumulator {
  add(values: Values, indices: Uint32Array, images: Tensor): Promise<void>;
  finish(): MetricResult;
}

/** @returns undefined when the job was interrupted. */
export async function measure(
  context: JobContext,
  request: MeasureRequest,
  forward: Forward,
): Promise<MetricResult | undefined> {
  const { dataset, batch } = request;
  const batcher = new ImageBatcher(dataset);
  const metric = accumulatorOf(request);
  const batches = evaluationBatches(dataset.count, batch);
  for (const [index, { indices, valid }] of batches.entries()) {
    if (context.interrupted()) return undefined;
    const images = batcher.images(indices);
    await metric.add(await forward(images), indices.subarray(0, valid), images);
    if (index % 8 === 7 || index === batches.length - 1)
      context.emit({ type: 'progress', unit: 'batch', done: index + 1, total: batches.length });
  }
  return metric.finish();
}

function accumulatorOf({ task, dataset, outputs, float }: MeasureRequest): Accumulator {
  const meter = meterFor(task, dataset);
  if (meter === undefined) return againstFloat(outputs, float);
  let checked = false;
  return {
    add: async (values, indices) => {
      const output = values.get(outputs[0]) as Tensor;
      if (!checked) checkOutputFits(task, dataset, output.shape);
      checked = true;
      meter.add(output, indices);
    },
    finish: () => meter.finish(),
  };
}

function againstFloat(outputs: readonly string[], float: Forward | undefined): Accumulator {
  if (float === undefined) throw new Error('the metric compares with the float model, which was not started');
  const sqnr = new Sqnr(outputs);
  const first = (values: Values, count: number): ReadonlyMap<string, FloatTensor> =>
    new Map(outputs.map((name) => [name, firstImages(values.get(name) as Tensor, count)]));
  return {
    add: async (values, indices, images) => {
      sqnr.add(first(values, indices.length), first(await float(images), indices.length), indices);
    },
    finish: () => sqnr.finish(),
  };
}
