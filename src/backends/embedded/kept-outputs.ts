// The first images' raw outputs of a head as they are measured, for whoever wants to look at predictions rather than at
// their mean.
import { join } from 'node:path';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { encodeSafetensors } from '../../support/safetensors.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import type { Forward } from './probe.ts';
import { firstImages } from './task-metric.ts';

export class KeptOutputs {
  private readonly batches = new Map<string, FloatTensor[]>();
  private kept = 0;
  private readonly outputs: readonly string[];
  private readonly count: number;

  /** Of `count` images, or of all where there are fewer. */
  constructor(outputs: readonly string[], count: number) {
    this.outputs = outputs;
    this.count = count;
  }

  /** The same forward, which leaves a copy here; images come in the order of the data set. */
  watching(forward: Forward): Forward {
    return async (images) => {
      const values = await forward(images);
      const wanted = Math.min(this.count - this.kept, images.shape[0] as number);
      if (wanted > 0) {
        for (const name of this.outputs) this.keep(name, firstImages(values.get(name) as Tensor, wanted));
        this.kept += wanted;
      }
      return values;
    };
  }

  /** A tensor [images, …] for each output, as safetensors. */
  async write(folder: string): Promise<string> {
    const tensors = new Map([...this.batches].map(([name, batches]) => [name, joined(batches)]));
    const file = 'outputs.safetensors';
    await writeFileAtomic(join(folder, file), encodeSafetensors({ tensors, metadata: {} }));
    return file;
  }

  private keep(name: string, { shape, data }: FloatTensor): void {
    const batches = this.batches.get(name) ?? [];
    batches.push(floatTensor(shape, data.slice()));
    this.batches.set(name, batches);
  }
}

function joined(batches: readonly FloatTensor[]): FloatTensor {
  const [{ shape } = { shape: [0] }] = batches;
  const images = batches.reduce((sum, batch) => sum + (batch.shape[0] as number), 0);
  const data = new Float32Array(batches.reduce((sum, batch) => sum + batch.data.length, 0));
  let at = 0;
  for (const batch of batches) {
    data.set(batch.data, at);
    at += batch.data.length;
  }
  return floatTensor([images, ...shape.slice(1)], data);
}
