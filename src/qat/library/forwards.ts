// Two forwards of a quantised network as graphs: the deployed one, to run and measure, and the one that training
// differentiates, with fake quantisers in it.
import { BACKBONE, boundaryOf, scopeOrder } from '../network/network.ts';
import type { Network } from '../network/network.ts';
import { buildReference, placementFor, TRAINING_OPSET } from '../network/reference.ts';
import { activationScale } from '../network/reference.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import type { GraphIr } from '../onnx/ir.ts';
import { ForwardEmitter } from '../train/forward.ts';
import type { TrainState } from '../train/forward.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import type { Quantised } from './calibrate.ts';

export interface ValidationForwardOptions {
  readonly batch: number;
  /** Values to return; by default every boundary tensor and head output. */
  readonly outputs?: readonly string[];
}

/**
 * State VALIDATION: batch norm folded, weights, activations and biases on their grids. To be run unoptimised.
 * @returns takes the image [N, C, H, W], gives `out.<value>` for every asked value.
 */
export function validationForward(
  { network, scopes }: Quantised,
  { batch, outputs = visibleValues(network) }: ValidationForwardOptions,
): GraphIr {
  return buildReference(network, { scopes, outputs, batch });
}

export interface QatForwardOptions {
  readonly batch: number;
  /** 'train': on the batch's own statistics; 'frozen': the saved ones, folded. By default frozen. */
  readonly batchNorm?: 'train' | 'frozen';
  /** Values to return; by default every head output. */
  readonly outputs?: readonly string[];
}

/**
 * State QAT with fixed activation scales: weights are fake-quantised with the scales of their present values. Holds operators
 * of headgate's own, which `differentiate` turns into standard ones.
 * @returns parameters are constants under their own names; gives `out.<value>` for every asked value.
 */
export function qatForward(
  { network, scopes }: Quantised,
  { batch, batchNorm = 'frozen', outputs = headOutputs(network) }: QatForwardOptions,
): GraphIr {
  const b = new GraphBuilder('headgate.f');
  const parameters = new Map<string, FloatTensor>(
    [...scopes.values()].flatMap(({ checkpoint }) => [...checkpoint.parameters]),
  );
  for (const [name, tensor] of parameters) b.initializers.set(name, tensor);
  const names = new Map([...parameters.keys()].map((name) => [name, name]));
  const placement = placementFor(network, scopes);
  const state: TrainState = { state: 'QAT', trained: true, batchNorm };
  const emitter = new ForwardEmitter(b, {
    network,
    placement,
    scopes: new Map([...scopes.keys()].map((scope) => [scope, state])),
    constants: parameters,
    trained: names,
    statistics: names,
    scaleFor: (_, value) => {
      const quantizer = placement.activations.get(value);
      if (quantizer === undefined) throw new Error(`no quantiser after "${value}"`);
      return b.scalar(activationScale(quantizer, scopes));
    },
  });
  if (scopes.has(BACKBONE)) emitter.emitInput();
  for (const unit of network.units) emitter.emitUnit(unit);
  for (const value of outputs) {
    const output = `out.${value}`;
    const inputs = [emitter.actual(value)];
    emitter.nodes.push({ op: 'Identity', domain: '', name: output, inputs, outputs: [output], attributes: {} });
  }
  return {
    name: network.graph.name,
    opset: TRAINING_OPSET,
    nodes: [...b.nodes, ...emitter.nodes],
    initializers: b.initializers,
    inputs: [{ name: network.input.name, dtype: 'float32', shape: [batch, ...network.input.shape] }],
    outputs: outputs.map((value) => ({ name: `out.${value}`, dtype: 'float32' })),
    metadata: {},
  };
}

function headOutputs({ scopes }: Network): readonly string[] {
  return Object.values(scopes.heads).flatMap((head) => head.outputs);
}

function visibleValues(network: Network): readonly string[] {
  const boundaries = scopeOrder(network.scopes).flatMap((scope) => boundaryOf(network.scopes, scope));
  return [...boundaries, ...headOutputs(network)];
}
