// Measures a task on a data set through any forward: batches in order, metric at the end.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { MetricResult } from '../../qat/metrics/metric.ts';
import type { Tensor } from '../../support/tensor.ts';
import type { JobContext } from './job-context.ts';
import type { Forward } from './probe.ts';
import type { TaskSettings } from './settings.ts';
import { meterFor } from './task-metric.ts';
import { checkOutputFits } from './tasks.ts';

export interface MeasureRequest {
  readonly task: TaskSettings;
  readonly dataset: Dataset;
  /** The head's outputs in the forward's result; metrics of labels read the first. */
  readonly outputs: readonly string[];
  /** The float model, for a metric that compares with it. */
  readonly float?: Forward;
  readonly batch: number;
  /** Only the first images. */
  readonly images?: number;
}

/** @returns undefined when the job was interrupted. */
export async function measure(
  context: JobContext,
  request: MeasureRequest,
  forward: Forward,
): Promise<MetricResult | undefined> {
  const { task, dataset, outputs, batch } = request;
  const batcher = new ImageBatcher(dataset);
  const meter = meterFor(task, dataset, outputs, request.float);
  const batches = evaluationBatches(Math.min(dataset.count, request.images ?? dataset.count), batch);
  for (const [index, { indices, valid }] of batches.entries()) {
    if (context.interrupted()) return undefined;
    const images = batcher.images(indices);
    const values = await forward(images);
    if (index === 0 && task.metric.kind !== 'sqnr')
      checkOutputFits(task, dataset, (values.get(outputs[0] as string) as Tensor).shape);
    await meter.add({ values, indices: indices.subarray(0, valid), images });
    if (index % 8 === 7 || index === batches.length - 1)
      context.emit({ type: 'progress', unit: 'batch', done: index + 1, total: batches.length });
  }
  return meter.finish();
}
