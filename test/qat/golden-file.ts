// Reads the golden files that test/golden/make_gradients.py wrote with PyTorch.
import { readFileSync } from 'node:fs';
import { decodeSafetensors } from '../../src/support/safetensors.ts';
import type { Tensor } from '../../src/support/tensor.ts';

export interface GoldenFile<Case> {
  readonly cases: readonly Case[];
  /** @throws when the file has no such tensor. */
  tensor(name: string): Tensor;
  floats(name: string): Float32Array;
  has(name: string): boolean;
}

export function readGolden<Case>(name: string): GoldenFile<Case> {
  const read = decodeSafetensors(new Uint8Array(readFileSync(new URL(`../golden/${name}`, import.meta.url))));
  if (!read.ok) throw new Error(`${name} ${read.error}`);
  const { tensors, metadata } = read.value;
  const tensor = (key: string): Tensor => {
    const found = tensors.get(key);
    if (found === undefined) throw new Error(`${name} holds no "${key}"`);
    return found;
  };
  return {
    cases: (JSON.parse(metadata['golden'] ?? '') as { readonly cases: readonly Case[] }).cases,
    tensor,
    floats: (key) => tensor(key).data as Float32Array,
    has: (key) => tensors.has(key),
  };
}
