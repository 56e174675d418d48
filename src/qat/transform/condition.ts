// What calibration may do to a scope's weights before and after observing, each declared in the checkpoint, and the check that
// equalisation left the scope's function alone. No other scope is read here.
import type { LayerUnit, Network } from '../network/network.ts';
import { buildReference } from '../network/reference.ts';
import type { ScopeForward } from '../network/reference.ts';
import { boundaryOf } from '../network/scopes.ts';
import { encodeModel } from '../onnx/codec.ts';
import type { ScopeCheckpoint, Transformation } from '../quantize/checkpoint.ts';
import type { Placement } from '../quantize/placement.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import type { Tensor } from '../../support/tensor.ts';
import { correctBiases } from './correct-biases.ts';
import type { Corrected } from './correct-biases.ts';
import { equaliseScope } from './equalise.ts';
import type { Equalised } from './equalise.ts';
import { InputMeans, kernelOf } from './input-means.ts';

export interface EqualisedCheckpoint extends Pick<Equalised, 'pairs' | 'touched'> {
  readonly checkpoint: ScopeCheckpoint;
}

/** Before the scope is observed: its ranges move. */
export function equaliseCheckpoint(network: Network, checkpoint: ScopeCheckpoint): EqualisedCheckpoint {
  const { parameters, pairs, touched } = equaliseScope(network, checkpoint.scope, checkpoint.parameters);
  return { checkpoint: declared({ ...checkpoint, parameters }, 'cross-layer-equalisation'), pairs, touched };
}

export interface CorrectedCheckpoint extends Pick<Corrected, 'corrected' | 'skipped' | 'touched'> {
  readonly checkpoint: ScopeCheckpoint;
}

/** After the scope's scales are known. @param inputMeans of the layers that `correctableLayers` names. */
export function correctCheckpoint(
  network: Network,
  checkpoint: ScopeCheckpoint,
  placement: Placement,
  scales: ReadonlyMap<string, Float32Array>,
  inputMeans: ReadonlyMap<string, Tensor>,
): CorrectedCheckpoint {
  const { scope, parameters } = checkpoint;
  const { parameters: after, ...found } = correctBiases(network, scope, parameters, placement, scales, inputMeans);
  return { ...found, checkpoint: declared({ ...checkpoint, parameters: after }, 'bias-correction') };
}

/** Layers whose mean inputs a bias correction needs: kept by quantiser, which tells those apart that have one of their own. */
export function correctableLayers(network: Network, scope: string): readonly LayerUnit[] {
  const layers = network.units.filter((unit): unit is LayerUnit => unit.kind === 'layer' && unit.scope === scope);
  return layers.filter(
    (unit) =>
      layers.every((other) => other === unit || other.quantiser !== unit.quantiser) &&
      InputMeans.canRead(unit, kernelOf(network, unit)),
  );
}

/** Adds to the declaration; a scope's parent is always the float checkpoint, which declares none. */
function declared(checkpoint: ScopeCheckpoint, transformation: Transformation): ScopeCheckpoint {
  return { ...checkpoint, transformations: [...(checkpoint.transformations ?? []), transformation] };
}

/** Largest difference of an output over its largest magnitude that equalisation may make: the rounding of float32. */
export const EQUALISATION_TOLERANCE = 1e-4;

/**
 * Runs the scope in FLOAT with its weights before and after.
 * @param below the quantised scopes that it stands on.
 * @returns the first boundary tensor or head output that differs by more than the tolerance, in words.
 */
export async function equalisationProblem(
  network: Network,
  [before, after]: readonly [ScopeCheckpoint, ScopeCheckpoint],
  below: ReadonlyMap<string, ScopeForward>,
  images: Tensor,
  threads: number,
): Promise<string | undefined> {
  const { scope } = before;
  const outputs = network.scopes.heads[scope]?.outputs ?? boundaryOf(network.scopes, scope);
  const valuesOf = async (checkpoint: ScopeCheckpoint): Promise<ReadonlyMap<string, Tensor>> => {
    const scopes = new Map<string, ScopeForward>([...below, [scope, { state: 'FLOAT', checkpoint }]]);
    const graph = buildReference(network, { scopes, outputs, batch: images.shape[0] ?? 1 });
    const session = await createSession(encodeModel(graph), { threads, optimisation: 'disabled' });
    const values = await session.run(new Map([[network.input.name, images]]));
    await session.release();
    return values;
  };
  const [float, changed] = [await valuesOf(before), await valuesOf(after)];
  for (const name of outputs) {
    const [left, right] = [float, changed].map((values) => values.get(`out.${name}`)?.data as Float32Array);
    const gap = relativeGap(left as Float32Array, right as Float32Array);
    if (gap <= EQUALISATION_TOLERANCE) continue;
    return `equalised, scope "${scope}" differs from float at "${name}" by ${gap.toPrecision(3)} of its largest value (allowed ${EQUALISATION_TOLERANCE})`;
  }
  return undefined;
}

function relativeGap(left: Float32Array, right: Float32Array): number {
  let [gap, magnitude] = [0, 0];
  for (let index = 0; index < left.length; index++) {
    gap = Math.max(gap, Math.abs((left[index] as number) - (right[index] as number)));
    magnitude = Math.max(magnitude, Math.abs(left[index] as number));
  }
  return gap === 0 ? 0 : gap / magnitude;
}
