// What jobs wrote, read back for comparison.
import { readFile } from 'node:fs/promises';
import { decodeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { digestBytes } from '../../src/support/digest.ts';
import { decodeSafetensors } from '../../src/support/safetensors.ts';

export async function checkpointAt(path: string): Promise<ScopeCheckpoint> {
  const decoded = decodeSafetensors(await readFile(path));
  if (!decoded.ok) throw new Error(decoded.error);
  return decodeCheckpoint(decoded.value);
}

export async function digestsOf(outputs: {
  readonly [port: string]: string;
}): Promise<{ readonly [port: string]: string }> {
  const rows = await Promise.all(
    Object.entries(outputs).map(async ([port, path]) => [port, digestBytes(await readFile(path))] as const),
  );
  return Object.fromEntries(rows);
}

export interface MetricsDocument {
  readonly format: string;
  readonly task: string;
  readonly primary: string;
  readonly values: { readonly [name: string]: number };
  readonly units: { readonly [name: string]: string };
  readonly higherIsBetter: { readonly [name: string]: boolean };
  readonly classes: { readonly [metric: string]: { readonly [name: string]: number } };
  readonly replicates?: {
    readonly values: { readonly [metric: string]: readonly (number | null)[] };
    readonly classes: { readonly [metric: string]: { readonly [name: string]: readonly (number | null)[] } };
  };
  readonly count: number;
}

export async function jsonAt<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}
