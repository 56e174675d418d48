// Runs a scope in FLOAT (a head on its frozen backbone in VALIDATION) over the calibration sets and gathers what its
// activations showed. Scales come later: they need no data.
import type { Network } from '../../qat/network/network.ts';
import type { LayerUnit } from '../../qat/network/network.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { scopeDigest } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { Observation } from '../../qat/quantize/observation.ts';
import type { ScopeStatistics } from '../../qat/quantize/statistics.ts';
import { InputMeans } from '../../qat/transform/input-means.ts';
import type { Tensor } from '../../support/tensor.ts';
import { calibrationBatches } from './calibration-sets.ts';
import type { CalibrationSet } from './calibration-sets.ts';
import { kernelOf } from './conditioning.ts';
import { ForwardRunner } from './forward-runner.ts';
import type { JobContext } from './job-context.ts';

export interface ScopeToObserve {
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
  { network, checkpoint, backbone, values, layers, sets, batch, threads }: ScopeToObserve,
): Promise<ScopeStatistics | undefined> {
  const scopes = new Map<string, ScopeForward>([[checkpoint.scope, { state: 'FLOAT', checkpoint }]]);
  if (backbone !== undefined) scopes.set(BACKBONE, backbone);
  const outputs = [...new Set([...values, ...layers.map(({ input }) => input)])];
  // A head of one layer has no quantiser of its own: it reads a boundary, and its output stays float.
  const runner =
    outputs.length === 0 ? undefined : await ForwardRunner.start({ network, scopes, outputs, batch, threads });
  const activations = new Map(values.map((value) => [value, new Observation()]));
  const means = new Map(layers.map((unit) => [unit, new InputMeans(unit, kernelOf(network, unit))]));
  const total = sets.reduce((sum, { batches }) => sum + batches.length, 0);
  let done = 0;
  for (const { images, weight } of calibrationBatches(sets)) {
    if (context.interrupted()) return undefined;
    const seen = await runner?.run(new Map<string, Tensor>([[network.input.name, images]]));
    for (const [value, observation] of activations) observation.observe(seen?.get(value)?.data as Float32Array, weight);
    for (const [unit, inputMeans] of means) inputMeans.observe(seen?.get(unit.input) as Tensor, weight);
    context.emit({ type: 'progress', unit: 'batch', done: ++done, total });
  }
  await runner?.release();
  return {
    scope: checkpoint.scope,
    observed: scopeDigest(checkpoint),
    ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone.checkpoint) }),
    images: total * batch,
    activations,
    inputMeans: new Map([...means].map(([{ weight }, inputMeans]) => [weight, inputMeans.means()])),
  };
}
