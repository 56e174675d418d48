// What calibration may do to a scope's weights before and after observing: equalisation and bias correction, each declared in
// the checkpoint, and the proof that nothing else of the float parent changed. The other scope is not read here at all.
import { join } from 'node:path';
import { compareTensors } from '../../qat/freeze/compare.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { LayerUnit, Network } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import type { ScopeCheckpoint, Transformation } from '../../qat/quantize/checkpoint.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import { correctBiases } from '../../qat/transform/correct-biases.ts';
import { equaliseScope } from '../../qat/transform/equalise.ts';
import { InputMeans } from '../../qat/transform/input-means.ts';
import type { Tensor } from '../../support/tensor.ts';
import { ForwardRunner } from './forward-runner.ts';
import { readCheckpointFile } from './inputs.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';

export interface Conditioned {
  readonly checkpoint: ScopeCheckpoint;
  /** Tensors that the declared transformations may have changed. */
  readonly touched: ReadonlySet<string>;
  /** For the report and the proof. */
  readonly words: readonly string[];
}

export function asLoaded(checkpoint: ScopeCheckpoint): Conditioned {
  return { checkpoint, touched: new Set(), words: [] };
}

/** A scope without a pair of layers to equalise is named in a warning. */
export function equalised(
  context: JobContext,
  network: Network,
  { checkpoint, touched, words }: Conditioned,
): Conditioned {
  const found = equaliseScope(network, checkpoint.scope, checkpoint.parameters);
  if (found.pairs.length === 0)
    context.emit({
      type: 'note',
      level: 'warning',
      text: `nothing to equalise in "${checkpoint.scope}": no layer is read by one other layer alone, with nothing but a Relu between them`,
    });
  return {
    checkpoint: declared({ ...checkpoint, parameters: found.parameters }, 'cross-layer-equalisation'),
    touched: new Set([...touched, ...found.touched]),
    words: [...words, `cross-layer equalisation of ${found.pairs.length} pairs`],
  };
}

/** Layers whose mean inputs a bias correction needs. */
export function correctableLayers(network: Network, scope: string): readonly LayerUnit[] {
  return network.units.filter(
    (unit): unit is LayerUnit =>
      unit.kind === 'layer' && unit.scope === scope && InputMeans.canRead(unit, kernelOf(network, unit)),
  );
}

/** [kH, kW]; [] for layers that have no kernel. */
export function kernelOf({ graph }: Network, { weight }: LayerUnit): readonly number[] {
  return graph.initializers.get(weight)?.shape.slice(2) ?? [];
}

/** Layers without a bias or a batch norm are named in a note. */
export function biasCorrected(
  context: JobContext,
  network: Network,
  { checkpoint, touched, words }: Conditioned,
  placement: Placement,
  scales: ReadonlyMap<string, Float32Array>,
  inputMeans: ReadonlyMap<string, Tensor>,
): Conditioned {
  const { scope, parameters } = checkpoint;
  const found = correctBiases(network, scope, parameters, placement, scales, inputMeans);
  if (found.skipped.length > 0)
    context.emit({
      type: 'note',
      level: 'info',
      text: `no bias of their own to correct, or padding that is not written out: ${found.skipped.join(', ')}`,
    });
  return {
    checkpoint: declared({ ...checkpoint, parameters: found.parameters }, 'bias-correction'),
    touched: new Set([...touched, ...found.touched]),
    words: [...words, `bias correction of ${found.corrected.length} layers`],
  };
}

/** Adds to the declaration; a scope's parent is always the float checkpoint, which declares none. */
function declared(checkpoint: ScopeCheckpoint, transformation: Transformation): ScopeCheckpoint {
  return { ...checkpoint, transformations: [...(checkpoint.transformations ?? []), transformation] };
}

/**
 * The written checkpoint is read back: its parameters are the float parent's, bit for bit, except where a declared
 * transformation may write.
 * @throws JobError 'weights-changed' naming the first tensor that has no reason to differ.
 */
export async function proveParent(
  context: JobContext,
  parent: ScopeCheckpoint,
  file: string,
  { touched, words }: Conditioned,
): Promise<void> {
  const written = await readCheckpointFile(join(context.outDir, file));
  const { differences, tensors } = compareTensors(parent.parameters, written.parameters);
  const stray = differences.find(({ tensor, index }) => !touched.has(tensor) || index < 0);
  if (stray !== undefined) {
    throw new JobError({
      reason: 'weights-changed',
      message: `calibration of "${parent.scope}" changed ${stray.tensor} (${stray.before} → ${stray.after}), which no declared transformation does`,
      details: { ...stray },
    });
  }
  if (words.length === 0) return;
  const text = `${parent.scope}: ${tensors - differences.length} of ${tensors} tensors bit-equal to the float parent, ${differences.length} changed by ${words.join(' and ')}`;
  context.emit({ type: 'proof', proof: { name: 'freeze', held: true, text } });
}

/** Largest difference of an output over its largest magnitude that equalisation may make: the rounding of float32. */
export const EQUALISATION_TOLERANCE = 1e-4;

/** @throws JobError 'equalisation-differs' when the scope no longer computes what its float parent does. */
export async function proveFunction(
  network: Network,
  [before, after]: readonly [ScopeCheckpoint, ScopeCheckpoint],
  backbone: ScopeForward | undefined,
  images: Tensor,
  threads: number,
): Promise<void> {
  const { scope } = before;
  const outputs = scope === BACKBONE ? network.scopes.backbone.boundary : (network.scopes.heads[scope]?.outputs ?? []);
  const valuesOf = async (checkpoint: ScopeCheckpoint): Promise<ReadonlyMap<string, Tensor>> => {
    const scopes = new Map<string, ScopeForward>([[scope, { state: 'FLOAT', checkpoint }]]);
    if (backbone !== undefined) scopes.set(BACKBONE, backbone);
    const batch = images.shape[0] ?? 1;
    const runner = await ForwardRunner.start({ network, scopes, outputs, batch, threads });
    const values = await runner.run(new Map([[network.input.name, images]]));
    await runner.release();
    return values;
  };
  const [float, changed] = [await valuesOf(before), await valuesOf(after)];
  for (const [name, { data }] of float) {
    const gap = relativeGap(data as Float32Array, changed.get(name)?.data as Float32Array);
    if (gap <= EQUALISATION_TOLERANCE) continue;
    throw new JobError({
      reason: 'equalisation-differs',
      message: `equalised, scope "${scope}" differs from float at "${name}" by ${gap.toPrecision(3)} of its largest value (allowed ${EQUALISATION_TOLERANCE})`,
      remedy: 'Leave `equalise` out for this scope: its weights span more than float32 can rescale.',
    });
  }
}

function relativeGap(left: Float32Array, right: Float32Array): number {
  let [gap, magnitude] = [0, 0];
  for (let index = 0; index < left.length; index++) {
    gap = Math.max(gap, Math.abs((left[index] as number) - (right[index] as number)));
    magnitude = Math.max(magnitude, Math.abs(left[index] as number));
  }
  return gap === 0 ? 0 : gap / magnitude;
}
