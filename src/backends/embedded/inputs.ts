// Inputs of a job opened: the model, checkpoints that fit where they are loaded, data sets that the model can take.
import { readFile } from 'node:fs/promises';
import { openPackedDataset } from '../../data/packed-dataset.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import { networkOf } from '../../qat/network/network.ts';
import type { Network, NetworkInterface } from '../../qat/network/network.ts';
import { decodeModel } from '../../qat/onnx/codec.ts';
import { decodeCheckpoint, LoadError } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { decodeSafetensors } from '../../support/safetensors.ts';
import { JobError } from './job-error.ts';
import { checkFits } from './load-order.ts';

/** @throws JobError when the engine gave no such input. */
export function inputPath(request: JobRequest, port: string): string {
  const input = request.inputs[port];
  if (input === undefined) throw new JobError({ reason: 'protocol', message: `the job was given no input "${port}"` });
  return input.path;
}

export async function readNetwork(request: JobRequest): Promise<Network> {
  return networkOf(decodeModel(await readFile(inputPath(request, 'model'))));
}

/** Whatever it holds: `readCheckpoint` is for one that will be used. @throws LoadError when it cannot be read. */
export async function readCheckpointFile(path: string): Promise<ScopeCheckpoint> {
  return decodeCheckpointFile(await readFile(path));
}

/** @throws LoadError when it cannot be read. */
export function decodeCheckpointFile(bytes: Uint8Array): ScopeCheckpoint {
  const decoded = decodeSafetensors(bytes);
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

/** @throws JobError when the model cannot take its images, before any work is done on them. */
export async function readDataset(request: JobRequest, port: string, network: NetworkInterface): Promise<Dataset> {
  const dataset = await openPackedDataset(inputPath(request, port));
  const found = [dataset.channels, dataset.height, dataset.width];
  const { name, shape } = network.input;
  if (found.join() === shape.join()) return dataset;
  throw new JobError({
    reason: 'wrong-shape',
    message: `data set "${dataset.name}" has images [${found.join(', ')}], the model's input "${name}" is [${shape.join(', ')}]`,
    remedy:
      "Give the model this input shape; or let the data set give images of the model's: `width`, `height` and `channels` under `image` in its description, `size` under `scene` of FashionScenes.",
  });
}

/** The port of a job that reads one data set, whatever its split. */
export function dataPort(request: JobRequest): string {
  const port = Object.keys(request.inputs).find((name) => name.startsWith('data['));
  if (port === undefined) throw new JobError({ reason: 'protocol', message: 'the job was given no data set' });
  return port;
}
