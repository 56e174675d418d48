// Files with one thing wrong, for the tests of what must be refused.
import { readFile, writeFile } from 'node:fs/promises';
import { decodeSafetensors, encodeSafetensors } from '../../src/support/safetensors.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { Tensor } from '../../src/support/tensor.ts';

interface Parts {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: { [key: string]: string };
}

let copies = 0;

/** A copy of a safetensors file beside it, after `change`. */
export async function altered(path: string, change: (parts: Parts) => void): Promise<string> {
  const decoded = decodeSafetensors(await readFile(path));
  if (!decoded.ok) throw new Error(decoded.error);
  const parts = { tensors: new Map(decoded.value.tensors), metadata: { ...decoded.value.metadata } };
  change(parts);
  const copy = `${path}.altered${copies++}`;
  await writeFile(copy, encodeSafetensors(parts));
  return copy;
}

export function without(path: string, ...names: readonly string[]): Promise<string> {
  return altered(path, ({ tensors }) => names.forEach((name) => tensors.delete(name)));
}

export function withTensor(path: string, name: string, tensor: Tensor): Promise<string> {
  return altered(path, ({ tensors }) => tensors.set(name, tensor));
}

/** One value of one tensor set. */
export function withValue(path: string, name: string, index: number, value: number): Promise<string> {
  return altered(path, ({ tensors }) => {
    const tensor = tensors.get(name) as Tensor;
    const data = (tensor.data as Float32Array).slice();
    data[index] = value;
    tensors.set(name, floatTensor(tensor.shape, data));
  });
}
