// Measures a task on a data set through any forward: batches in order, metric at the end.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Tensor } from '../../support/tensor.ts';
import type { JobContext } from './job-context.ts';
import type { Forward } from './probe.ts';
import type { TaskSettings } from './settings.ts';
import { meterFor } from './task-metric.ts';
import type { Measurement } from './task-metric.ts';
import { checkOutputFits } from './tasks.ts';

export interface MeasureRequest {
  readonly task: TaskSettings;
  readonly dataset: Dataset;
  /** The value of the forward's result that the metric reads. */
  readonly output: string;
  readonly batch: number;
  /** Only the first images. */
  readonly images?: number;
}

/** @returns undefined when the job was interrupted. */
export async function measure(
  context: JobContext,
  request: MeasureRequest,
  forward: Forward,
): Promise<Measurement | undefined> {
  const { task, dataset, output, batch } = request;
  const batcher = new ImageBatcher(dataset);
  const meter = meterFor(task, dataset);
  const batches = evaluationBatches(Math.min(dataset.count, request.images ?? dataset.count), batch);
  for (const [index, { indices, valid }] of batches.entries()) {
    if (context.interrupted()) return undefined;
    const values = (await forward(batcher.images(indices))).get(output) as Tensor;
    if (index === 0) checkOutputFits(task, dataset, values.shape);
    meter.add(values, indices.subarray(0, valid));
    if (index % 8 === 7 || index === batches.length - 1)
      context.emit({ type: 'progress', unit: 'batch', done: index + 1, total: batches.length });
  }
  return meter.finish();
}
