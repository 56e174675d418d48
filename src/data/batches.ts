// Which images make up each batch, and their bytes as network input. The order depends on seed and epoch only, so a
// resumed training continues exactly where it stopped.
import { Random } from '../support/random.ts';
import { floatTensor } from '../support/tensor.ts';
import type { FloatTensor } from '../support/tensor.ts';
import { DataError } from './data-error.ts';
import type { Dataset, Normalisation } from './dataset.ts';

/** Batches of one epoch in a seeded order; what does not fill a last batch is left out (another epoch has it). */
export function trainingBatches(count: number, batch: number, seed: number, epoch: number): readonly Uint32Array[] {
  if (count < batch) {
    throw new DataError(`the data set has ${count} images, fewer than one batch of ${batch}`, 'Use a smaller batch.');
  }
  const order = Random.derive(seed, epoch).permutation(count);
  return Array.from({ length: Math.floor(count / batch) }, (_, index) =>
    order.subarray(index * batch, (index + 1) * batch),
  );
}

export interface EvaluationBatch {
  /** Always full: the last image is repeated where images ran out. */
  readonly indices: Uint32Array;
  /** How many of them count. */
  readonly valid: number;
}

/** Every image once, in order. The batch size is fixed because results may depend on it in the last bit. */
export function evaluationBatches(count: number, batch: number): readonly EvaluationBatch[] {
  return Array.from({ length: Math.ceil(count / batch) }, (_, index) => ({
    indices: Uint32Array.from({ length: batch }, (_unused, place) => Math.min(count - 1, index * batch + place)),
    valid: Math.min(batch, count - index * batch),
  }));
}

/** Turns bytes into network input through a table of 256 values per channel. */
export class ImageBatcher {
  private readonly dataset: Dataset;
  private readonly tables: readonly Float32Array[];

  constructor(dataset: Dataset) {
    this.dataset = dataset;
    this.tables = normalisationTables(dataset.normalisation);
  }

  /** [B, C, H, W], dequantised float; into `out` where it is given, else into a new tensor. */
  images(indices: ArrayLike<number>, out?: Float32Array): FloatTensor {
    const { channels, height, width, images, count } = this.dataset;
    const plane = height * width;
    const shape = [indices.length, channels, height, width];
    const data = out ?? new Float32Array(indices.length * channels * plane);
    let to = 0;
    for (let place = 0; place < indices.length; place++) {
      const image = indices[place] as number;
      if (!(image >= 0 && image < count)) throw new Error(`no image ${image} in a data set of ${count}`);
      let from = image * channels * plane;
      for (const table of this.tables) {
        for (const end = from + plane; from < end; from++) data[to++] = table[images[from] as number] as number;
      }
    }
    return floatTensor(shape, data);
  }
}

/** In double precision, rounded once to float32. */
function normalisationTables({ scale, mean, std }: Normalisation): readonly Float32Array[] {
  return mean.map((centre, channel) =>
    Float32Array.from({ length: 256 }, (_, byte) => (byte * scale - centre) / (std[channel] as number)),
  );
}
