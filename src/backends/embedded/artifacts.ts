// Inputs of a job opened, outputs written: the only place of the backend that knows their file forms.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPackedDataset } from '../../data/packed-dataset.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import { networkOf } from '../../qat/network/network.ts';
import type { Network, NetworkInterface } from '../../qat/network/network.ts';
import { decodeModel } from '../../qat/onnx/codec.ts';
import { decodeCheckpoint, encodeCheckpoint, graphDigest, LoadError } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { canonicalJson } from '../../support/canonical-json.ts';
import type { Json } from '../../support/json.ts';
import { decodeSafetensors, encodeSafetensors } from '../../support/safetensors.ts';
import { JobError } from './job-error.ts';

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

/**
 * The load-order verifier's entrance: a checkpoint is taken only into the scope and graph it was made for, in a state the
 * port allows.
 */
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

export function checkFits(
  checkpoint: ScopeCheckpoint,
  network: Network,
  port: string,
  scope: string,
  states: readonly ScopeCheckpoint['state'][],
): void {
  if (checkpoint.scope !== scope)
    throw new LoadError(`input "${port}" holds scope "${checkpoint.scope}", but "${scope}" is loaded here`);
  if (checkpoint.graph !== graphDigest(network.graph)) {
    throw new LoadError(
      `input "${port}" was made for another model graph (${checkpoint.graph.slice(0, 12)}, here ${graphDigest(network.graph).slice(0, 12)})`,
    );
  }
  if (!states.includes(checkpoint.state)) {
    const why =
      checkpoint.state === 'float'
        ? 'float weights are loaded before prepare, calibrated or QAT weights after it: calibrate this scope first'
        : 'quantised weights cannot be loaded where float weights are expected (before prepare)';
    throw new LoadError(`input "${port}" is in state ${checkpoint.state}, needed is ${states.join(' or ')}: ${why}`);
  }
  for (const parameter of network.parameters) {
    if (parameter.scope !== scope) continue;
    const tensor = checkpoint.parameters.get(parameter.name);
    if (tensor === undefined) throw new LoadError(`input "${port}" lacks tensor "${parameter.name}"`);
    if (tensor.shape.join() !== parameter.shape.join()) {
      throw new LoadError(
        `tensor "${parameter.name}" of input "${port}" has shape [${tensor.shape.join(', ')}], the model needs [${parameter.shape.join(', ')}]`,
      );
    }
  }
  const known = new Set(network.parameters.filter((p) => p.scope === scope).map((p) => p.name));
  for (const name of checkpoint.parameters.keys()) {
    if (!known.has(name))
      throw new LoadError(`input "${port}" holds tensor "${name}", which scope "${scope}" does not have`);
  }
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
