// The `merged` artifact: a folder with the float graph and one checkpoint per scope. Reading it checks that every head was
// made on this very backbone.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BACKBONE, headNames, networkOf } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import { activationScale, placementFor } from '../../qat/network/reference.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { decodeModel } from '../../qat/onnx/codec.ts';
import { scopeDigest } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { readCheckpointFile } from './inputs.ts';
import { JobError } from './job-error.ts';
import { writeCheckpoint, writeModel } from './outputs.ts';
import { checkFits } from './load-order.ts';

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
  await writeModel(folder, 'graph.onnx', network.graph);
  for (const [scope, checkpoint] of scopes) await writeCheckpoint(folder, scope, checkpoint);
}

export async function readMerged(folder: string): Promise<MergedModel> {
  const network = networkOf(decodeModel(await readFile(join(folder, 'graph.onnx'))));
  const scopes = new Map<string, ScopeForward>();
  for (const scope of [BACKBONE, ...headNames(network)]) {
    const checkpoint = await readCheckpointFile(join(folder, `${scope}.safetensors`));
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
