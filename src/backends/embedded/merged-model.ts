// The `merged` artifact: a folder with the float graph, one checkpoint per scope, and the list of them (merged-manifest.ts).
// Reading it checks that all is as it was written and that every head was made on this very backbone.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BACKBONE, headNames, networkOf } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import { activationScale, placementFor } from '../../qat/network/reference.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { decodeModel, encodeModel } from '../../qat/onnx/codec.ts';
import { encodeCheckpoint, scopeDigest } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { encodeSafetensors } from '../../support/safetensors.ts';
import { refuseNonFinite } from './finite-artifacts.ts';
import { decodeCheckpointFile } from './inputs.ts';
import { JobError } from './job-error.ts';
import { checkFits } from './load-order.ts';
import { fileIn, GRAPH, MANIFEST, manifestOf, readMergedFiles, scopeFileOf } from './merged-manifest.ts';
import type { MergedFiles } from './merged-manifest.ts';
import { writeJson } from './outputs.ts';

export interface MergedModel {
  readonly network: Network;
  /** Every scope in VALIDATION. */
  readonly scopes: ReadonlyMap<string, ScopeForward>;
}

export async function writeMerged(
  folder: string,
  network: Network,
  scopes: ReadonlyMap<string, ScopeCheckpoint>,
): Promise<void> {
  const files = new Map([[GRAPH, encodeModel(network.graph)]]);
  for (const [scope, checkpoint] of scopes) {
    const [file, encoded] = [scopeFileOf(scope), encodeCheckpoint(checkpoint)];
    refuseNonFinite(file, encoded.tensors);
    files.set(file, encodeSafetensors(encoded));
  }
  await writeFiles(folder, files);
  await writeJson(folder, MANIFEST, manifestOf(files));
}

export async function writeFiles(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [file, bytes] of files) await writeFileAtomic(join(folder, file), bytes);
}

/** @throws JobError 'merged-model' when a file is not the one that was written. */
export async function readMerged(folder: string): Promise<MergedModel> {
  return mergedIn(await readMergedFiles(folder));
}

export function mergedIn(files: MergedFiles): MergedModel {
  const network = networkOf(decodeModel(fileIn(files, GRAPH)));
  const scopes = new Map<string, ScopeForward>();
  for (const scope of [BACKBONE, ...headNames(network)]) {
    const checkpoint = decodeCheckpointFile(fileIn(files, scopeFileOf(scope)));
    checkFits(checkpoint, network, scope, scope, ['calibrated', 'qat']);
    scopes.set(scope, { state: 'VALIDATION', checkpoint });
  }
  checkSameBackbone(scopes);
  return { network, scopes };
}

/** @throws JobError 'backbone-mismatch' naming the head. */
export function checkSameBackbone(scopes: ReadonlyMap<string, ScopeForward>): void {
  const backbone = scopes.get(BACKBONE);
  if (backbone === undefined)
    throw new JobError({ reason: 'backbone-mismatch', message: 'the model has no backbone checkpoint' });
  const digest = scopeDigest(backbone.checkpoint);
  for (const [scope, { checkpoint }] of scopes) {
    if (scope === BACKBONE || checkpoint.backbone === digest) continue;
    throw new JobError({
      reason: 'backbone-mismatch',
      message: `head "${scope}" was made on backbone ${checkpoint.backbone?.slice(0, 12) ?? '(none)'}, but is merged with backbone ${digest.slice(0, 12)}`,
      remedy: 'Calibrate and train this head on the backbone that is merged.',
    });
  }
}

/**
 * The backbone's boundary scales as the heads meet them in the merged model, compared with the backbone's artifact.
 * @returns the scales by boundary tensor.
 * @throws JobError 'boundary-differs' naming the tensor, old and new scale; or where a boundary is not the backbone's to scale.
 */
export function proveBoundary(
  network: Network,
  artifact: ScopeCheckpoint,
  merged: ReadonlyMap<string, ScopeForward>,
): ReadonlyMap<string, number> {
  const placement = placementFor(network, merged);
  const scales = new Map<string, number>();
  for (const value of network.scopes.backbone.boundary) {
    const source = placement.sourceOf(value);
    const before = source === undefined ? undefined : artifact.quant?.activations.get(source.value)?.scale;
    const after = source?.scope === BACKBONE ? activationScale(source, merged) : undefined;
    if (after === undefined || !Object.is(before, after)) {
      throw new JobError({
        reason: 'boundary-differs',
        message: `the scale of boundary tensor "${value}" changed: ${before ?? 'none'} → ${after ?? 'none of the backbone'}`,
        remedy: 'Merge heads and backbone as they were saved; heads never scale a boundary themselves.',
      });
    }
    scales.set(value, after);
  }
  return scales;
}
