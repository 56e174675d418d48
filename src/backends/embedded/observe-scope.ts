// Observes a scope in FLOAT (a head on its frozen backbone in VALIDATION) over the calibration sets. Scales come later: they
// need no data.
import type { LayerUnit, Network } from '../../qat/network/network.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { scopeDigest } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { ScopeObserver } from '../../qat/quantize/scope-observer.ts';
import type { ScopeStatistics } from '../../qat/quantize/statistics.ts';
import { calibrationBatches } from './calibration-sets.ts';
import type { CalibrationSet } from './calibration-sets.ts';
import type { JobContext } from './job-context.ts';

export interface ScopeOnSets {
  readonly network: Network;
  readonly checkpoint: ScopeCheckpoint;
  /** The quantised backbone that a head stands on. */
  readonly backbone?: ScopeForward;
  /** Values to observe. */
  readonly values: readonly string[];
  /** Layers whose mean inputs are kept. */
  readonly layers: readonly LayerUnit[];
  readonly sets: readonly CalibrationSet[];
  readonly batch: number;
  readonly threads: number;
}

/** @returns undefined when the job was interrupted. */
export async function observeScope(
  context: JobContext,
  { network, checkpoint, backbone, values, layers, sets, batch, threads }: ScopeOnSets,
): Promise<ScopeStatistics | undefined> {
  const scopes = new Map<string, ScopeForward>([[checkpoint.scope, { state: 'FLOAT', checkpoint }]]);
  if (backbone !== undefined) scopes.set(BACKBONE, backbone);
  const observer = await ScopeObserver.start({ network, scopes, values, layers, batch, threads });
  const total = sets.reduce((sum, { batches }) => sum + batches.length, 0);
  let done = 0;
  for (const { images, weight } of calibrationBatches(sets)) {
    if (context.interrupted()) return undefined;
    await observer.observe(images, weight);
    context.emit({ type: 'progress', unit: 'batch', done: ++done, total });
  }
  await observer.release();
  return {
    scope: checkpoint.scope,
    observed: scopeDigest(checkpoint),
    ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone.checkpoint) }),
    images: total * batch,
    ...observer.observed(),
  };
}
