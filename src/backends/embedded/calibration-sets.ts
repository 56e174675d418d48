// The data that calibration observes: one set or several, each with its number of batches and its weight.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import type { Network } from '../../qat/network/network.ts';
import { alternating } from '../../qat/quantize/weighted-sets.ts';
import type { Tensor } from '../../support/tensor.ts';
import { readDataset } from './inputs.ts';
import { JobError } from './job-error.ts';
import type { CalibrateSettings } from './settings.ts';

export interface CalibrationSet {
  readonly dataset: Dataset;
  readonly batches: readonly Uint32Array[];
  readonly weight: number;
}

/** @throws JobError when a set holds less than one batch. */
export async function openCalibrationSets(
  request: JobRequest,
  network: Network,
  { sets, batches, batch }: CalibrateSettings,
): Promise<readonly CalibrationSet[]> {
  const asked =
    sets === undefined
      ? [{ name: 'the calibration set', port: 'data[calibration]', batches, weight: 1 }]
      : sets.map((set) => ({
          name: `the calibration set of task "${set.task}"`,
          port: `data[${set.task}.calibration]`,
          ...set,
        }));
  return Promise.all(
    asked.map(async ({ name, port, batches: most, weight }) => {
      const dataset = await readDataset(request, port, network);
      const full = evaluationBatches(dataset.count, batch).filter(({ valid }) => valid === batch);
      if (full.length === 0) {
        throw new JobError({
          reason: 'data',
          message: `${name} has ${dataset.count} images, fewer than one batch of ${batch}`,
        });
      }
      return { dataset, weight, batches: full.slice(0, most).map(({ indices }) => indices) };
    }),
  );
}

export interface CalibrationBatch {
  readonly images: Tensor;
  readonly weight: number;
}

/** Of all sets in turn. */
export function* calibrationBatches(sets: readonly CalibrationSet[]): Generator<CalibrationBatch> {
  const opened = sets.map(({ dataset, batches, weight }) => {
    const batcher = new ImageBatcher(dataset);
    return { weight, batches: batches.map((indices) => ({ batcher, indices })) };
  });
  for (const { batch, weight } of alternating(opened)) yield { images: batch.batcher.images(batch.indices), weight };
}
