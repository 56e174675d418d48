// Batch norm folded into the layer before it: w' = w·γ/√(var + ε), b' = β + (b − mean)·γ/√(var + ε), per output
// channel, rounded to float32 after every operation, in the order of the QAT graph (train/forward.ts): both must agree to the
// bit, because the weight that made a channel's scale stands on a rounding tie (127.5 or 7.5 steps) and its last bit decides.
import { floatOf } from '../onnx/ir.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { LayerUnit, Network } from './network.ts';
import { foldableLayers } from './shared-weights.ts';
import { weightLayout } from './weight-layout.ts';

export type Parameters = ReadonlyMap<string, FloatTensor>;

export interface FoldedLayer {
  /** As the layer's operator reads it: see `weightLayout`. */
  readonly weight: FloatTensor;
  /** One per output channel. */
  readonly bias: FloatTensor;
}

/** A layer's weight and bias with its batch norm folded in; without one, as they are (a missing bias is zeros). */
export function foldLayer(unit: LayerUnit, parameters: Parameters): FoldedLayer {
  const weight = parameterOf(parameters, unit.weight);
  const { outputs, outputOf } = weightLayout(unit.node, weight.shape);
  const bias = unit.bias === undefined ? new Float32Array(outputs) : perChannel(parameters, unit.bias, outputs);
  if (unit.norm === undefined) return { weight, bias: floatTensor([outputs], bias) };
  const [, gamma, beta, mean, variance] = unit.norm.inputs.map((name, index) =>
    index === 0 ? bias : parameterOf(parameters, name).data,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  const { fround } = Math;
  const epsilon = fround(floatOf(unit.norm, 'epsilon', 1e-5));
  const factors = new Float32Array(outputs);
  const foldedBias = new Float32Array(outputs);
  for (let channel = 0; channel < outputs; channel++) {
    const deviation = fround(Math.sqrt(fround((variance[channel] as number) + epsilon)));
    const factor = fround((gamma[channel] as number) / deviation);
    const shift = fround((bias[channel] as number) - (mean[channel] as number));
    factors[channel] = factor;
    foldedBias[channel] = (beta[channel] as number) + fround(shift * factor);
  }
  const folded = weight.data.map((value, index) => value * (factors[outputOf(index)] as number));
  return { weight: floatTensor(weight.shape, folded), bias: floatTensor([outputs], foldedBias) };
}

/** One value for all channels stands for each of them. */
function perChannel(parameters: Parameters, bias: string, outputs: number): Float32Array {
  const { data } = parameterOf(parameters, bias);
  return data.length === 1 ? new Float32Array(outputs).fill(data[0] as number) : data;
}

/**
 * The scope's parameters with every batch norm folded into its layer, in the form that checkpoints have: batch norms
 * that are left behind are the identity to the last bit (γ and √(variance + ε) are 1, the mean 0), and β is the bias. Layers
 * that share a parameter with another are left as they are.
 */
export function foldIntoWeights(
  { graph, units }: Pick<Network, 'graph' | 'units'>,
  parameters: Parameters,
): Parameters {
  const folded = new Map(parameters);
  for (const unit of foldableLayers(graph, units)) {
    if (unit.kind !== 'layer' || unit.norm === undefined || !parameters.has(unit.weight)) continue;
    const { weight, bias } = foldLayer(unit, parameters);
    const [, gamma, beta, mean, variance] = unit.norm.inputs as [string, string, string, string, string];
    const filled = (value: number): FloatTensor =>
      floatTensor(bias.shape, new Float32Array(bias.data.length).fill(value));
    folded.set(unit.weight, weight).set(beta, bias).set(gamma, filled(1)).set(mean, filled(0));
    folded.set(variance, filled(identityVariance(floatOf(unit.norm, 'epsilon', 1e-5))));
    if (unit.bias === undefined) continue;
    const { shape, data } = parameterOf(parameters, unit.bias);
    folded.set(unit.bias, floatTensor(shape, new Float32Array(data.length)));
  }
  return folded;
}

/** The variance v whose √(v + ε) is exactly 1 in float32. */
function identityVariance(epsilon: number): number {
  const { fround, sqrt } = Math;
  const near = fround(1 - fround(epsilon));
  return [near, near + 2 ** -24, near - 2 ** -24].find((v) => fround(sqrt(fround(v + fround(epsilon)))) === 1) ?? near;
}

/** @throws Error when it is not loaded: a bug, since loading checks for every parameter. */
export function parameterOf(parameters: Parameters, name: string): FloatTensor {
  const tensor = parameters.get(name);
  if (tensor === undefined) throw new Error(`parameter "${name}" is not loaded`);
  return tensor;
}
