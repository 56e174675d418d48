// The data that calibration observes: one set or several, each with its number of batches and its weight. Batches of several
// sets alternate, so that a moving average does not end on one of them.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import type { Network } from '../../qat/network/network.ts';
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

/** The first batch of every set, then the second of every set that has one, and so on. */
export function* calibrationBatches(sets: readonly CalibrationSet[]): Generator<CalibrationBatch> {
  const opened = sets.map(({ dataset, batches, weight }) => ({ batches, weight, batcher: new ImageBatcher(dataset) }));
  const most = Math.max(...opened.map(({ batches }) => batches.length));
  for (let index = 0; index < most; index++) {
    for (const { batches, weight, batcher } of opened) {
      const indices = batches[index];
      if (indices !== undefined) yield { images: batcher.images(indices), weight };
    }
  }
}
