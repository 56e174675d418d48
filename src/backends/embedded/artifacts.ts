// Inputs of a job opened, outputs written: the only place of the backend that knows their file forms.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPackedDataset } from '../../data/packed-dataset.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import { networkOf } from '../../qat/network/network.ts';
import type { Network, NetworkInterface } from '../../qat/network/network.ts';
import { decodeModel } from '../../qat/onnx/codec.ts';
import { decodeCheckpoint, encodeCheckpoint, LoadError } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { canonicalJson } from '../../support/canonical-json.ts';
import type { Json } from '../../support/json.ts';
import { decodeSafetensors, encodeSafetensors } from '../../support/safetensors.ts';
import { JobError } from './job-error.ts';
import { checkFits } from './load-order.ts';

export function inputPath(request: JobRequest, port: string): string {
  const input = request.inputs[port];
  if (input === undefined) throw new JobError({ reason: 'protocol', message: `the job was given no input "${port}"` });
  return input.path;
}

export async function readNetwork(request: JobRequest, port = 'model'): Promise<Network> {
  return networkOf(decodeModel(await readFile(inputPath(request, port))));
}

export async function readCheckpointFile(path: string): Promise<ScopeCheckpoint> {
  const decoded = decodeSafetensors(await readFile(path));
  if (!decoded.ok) throw new LoadError(`the checkpoint cannot be read: ${decoded.error}`);
  return decodeCheckpoint(decoded.value);
}

/** A checkpoint that fits where it is loaded. @throws LoadError with the reason. */
export async function readCheckpoint(
  request: JobRequest,
  network: Network,
  port: string,
  scope: string,
  states: readonly ScopeCheckpoint['state'][],
): Promise<ScopeCheckpoint> {
  const checkpoint = await readCheckpointFile(inputPath(request, port));
  checkFits(checkpoint, network, port, scope, states);
  return checkpoint;
}

export async function writeCheckpoint(path: string, checkpoint: ScopeCheckpoint): Promise<void> {
  await writeFileAtomic(path, encodeSafetensors(encodeCheckpoint(checkpoint)));
}

export async function writeJson(path: string, value: Json): Promise<void> {
  await writeFileAtomic(path, `${canonicalJson(value)}\n`);
}

export async function readDataset(request: JobRequest, port: string): Promise<Dataset> {
  return openPackedDataset(inputPath(request, port));
}

/** A data set whose images the model cannot take is refused before any work. */
export function checkImages(dataset: Dataset, network: NetworkInterface): void {
  const found = [dataset.channels, dataset.height, dataset.width];
  if (found.join() === network.input.shape.join()) return;
  throw new JobError({
    reason: 'wrong-shape',
    message: `data set "${dataset.name}" has images [${found.join(', ')}], the model's input "${network.input.name}" is [${network.input.shape.join(', ')}]`,
    remedy: 'Set `resize` on the dataset stage, or give the model this input shape.',
  });
}

export function outPath(outDir: string, name: string): string {
  return join(outDir, name);
}
