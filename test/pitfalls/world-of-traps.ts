// The small network of the kernel's tests, calibrated, for pitfalls that need no job.
import { calibrate, prepare } from '../../src/qat/main.ts';
import type { Profile, Quantised, Tensor } from '../../src/qat/main.ts';
import { randomBatch, smallGraph } from '../qat/networks.ts';

export const image = (seed: number): Tensor => randomBatch(seed).get('image') as Tensor;

export async function calibratedNetwork(profile: Profile): Promise<Quantised> {
  return calibrate(await prepare(smallGraph(), { profile }), [image(1), image(2)]);
}

/** The same picture, brighter than anything that was calibrated on. */
export function brighter({ shape, data }: Tensor, factor: number): Tensor {
  return { dtype: 'float32', shape, data: (data as Float32Array).map((value) => factor * value) };
}
