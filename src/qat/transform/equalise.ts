// Cross-layer equalisation (Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction"):
// output channel i of one layer is divided by s_i and the next layer's input channel i multiplied by it, so that both get
// the same range; between them stands nothing but a Relu, for which relu(x / s) = relu(x) / s. The network's function stays,
// up to the rounding of float32. Weights are unfolded here, so a layer with batch norm is scaled in γ and β.
import type { Parameters } from '../network/fold.ts';
import { foldLayer, parameterOf } from '../network/fold.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { intOf } from '../onnx/ir.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { FloatTensor } from '../../support/tensor.ts';

export interface Equalised {
  readonly parameters: ReadonlyMap<string, FloatTensor>;
  /** Weights of the two layers of every pair, in execution order. */
  readonly pairs: readonly (readonly [first: string, second: string])[];
  /** Every tensor that the pairs may change. */
  readonly touched: ReadonlySet<string>;
  /** Largest |s_i − 1| of the last sweep: 0 where the pairs have come to rest. */
  readonly rest: number;
}

interface Pair {
  readonly first: LayerUnit;
  readonly second: LayerUnit;
}

/** Chains of three and more layers pull at each other: sweeps until nothing moves by more than REST. */
const MOST_SWEEPS = 20;
const REST = 1e-4;

/**
 * @param scope only pairs that lie in it whole; boundary tensors and head outputs are no inner tensors, so they never move.
 * @returns new tensors for what changed, the given ones for the rest.
 */
export function equaliseScope(network: Network, scope: string, parameters: Parameters): Equalised {
  const pairs = pairsOf(network, scope);
  const current = new Map(parameters);
  let rest = pairs.length === 0 ? 0 : Infinity;
  for (let sweep = 0; sweep < MOST_SWEEPS && rest > REST; sweep++) {
    rest = 0;
    for (const pair of pairs) rest = Math.max(rest, equalisePair(pair, current));
  }
  const touched = new Set(pairs.flatMap(({ first, second }) => [...outputScaleOf(first), second.weight]));
  return { parameters: current, pairs: pairs.map(({ first, second }) => [first.weight, second.weight]), touched, rest };
}

function pairsOf(network: Network, scope: string): readonly Pair[] {
  const outer = new Set([
    ...network.scopes.backbone.boundary,
    ...Object.values(network.scopes.heads).flatMap((head) => head.outputs),
  ]);
  const readers = new Map<string, number>();
  for (const node of network.graph.nodes)
    for (const input of node.inputs) readers.set(input, (readers.get(input) ?? 0) + 1);
  const layers = network.units.filter((unit): unit is LayerUnit => unit.kind === 'layer' && unit.scope === scope);
  const weights = new Map<string, number>();
  for (const { weight } of layers) weights.set(weight, (weights.get(weight) ?? 0) + 1);
  const own = (unit: LayerUnit): boolean => weights.get(unit.weight) === 1;
  return layers.flatMap((first) => {
    if (outer.has(first.output) || readers.get(first.output) !== 1 || !own(first)) return [];
    const homogeneous = first.activation === undefined || first.activation.op === 'Relu';
    const second = layers.find((unit) => unit.input === first.output);
    return homogeneous && second !== undefined && own(second) ? [{ first, second }] : [];
  });
}

/** @returns the largest |s_i − 1|. */
function equalisePair({ first, second }: Pair, current: Map<string, FloatTensor>): number {
  const here = rangesOfOutputs(foldLayer(first, current).weight);
  const next = rangesOfInputs(second, foldLayer(second, current).weight);
  const factors = here.map((range, channel) => {
    const other = next[channel] as number;
    // A dead channel has no range to share.
    return range > 0 && other > 0 ? Math.fround(Math.sqrt(range / other)) : 1;
  });
  divideOutputs(first, factors, current);
  multiplyInputs(second, factors, current);
  return factors.reduce((most, factor) => Math.max(most, Math.abs(factor - 1)), 0);
}

/** max|w| per output channel. */
function rangesOfOutputs({ data, shape }: FloatTensor): readonly number[] {
  const perChannel = data.length / (shape[0] as number);
  return Array.from({ length: shape[0] as number }, (_, channel) => largest(data, channel * perChannel, perChannel));
}

/** max|w| per input channel, over all output channels of its group. */
function rangesOfInputs(unit: LayerUnit, weight: FloatTensor): readonly number[] {
  const ranges: number[] = [];
  eachTap(unit, weight, (input, from, length) => {
    ranges[input] = Math.max(ranges[input] ?? 0, largest(weight.data, from, length));
  });
  return ranges;
}

function divideOutputs(unit: LayerUnit, factors: readonly number[], current: Map<string, FloatTensor>): void {
  for (const name of outputScaleOf(unit)) {
    const { shape, data } = parameterOf(current, name);
    const perChannel = data.length / factors.length;
    const divided = data.map((value, index) => value / (factors[Math.floor(index / perChannel)] as number));
    current.set(name, floatTensor(shape, divided));
  }
}

/** The parameters that the layer's folded output is proportional to. */
function outputScaleOf({ norm, weight, bias }: LayerUnit): readonly string[] {
  if (norm !== undefined) return norm.inputs.slice(1, 3);
  return bias === undefined ? [weight] : [weight, bias];
}

function multiplyInputs(unit: LayerUnit, factors: readonly number[], current: Map<string, FloatTensor>): void {
  const weight = parameterOf(current, unit.weight);
  const data = weight.data.slice();
  eachTap(unit, weight, (input, from, length) => {
    for (let index = from; index < from + length; index++)
      data[index] = (data[index] as number) * (factors[input] as number);
  });
  current.set(unit.weight, floatTensor(weight.shape, data));
}

/** Calls back with every kernel (kH·kW values from `from`) and the input channel it reads; depthwise layers are groups of 1. */
function eachTap(
  unit: LayerUnit,
  { shape }: FloatTensor,
  visit: (input: number, from: number, length: number) => void,
): void {
  const [outputs, inputs, ...kernel] = shape as readonly [number, number, ...number[]];
  const length = kernel.reduce((product, size) => product * size, 1);
  const outputsPerGroup = outputs / intOf(unit.conv, 'group', 1);
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      const group = Math.floor(output / outputsPerGroup);
      visit(group * inputs + input, (output * inputs + input) * length, length);
    }
  }
}

function largest(data: Float32Array, from: number, length: number): number {
  let magnitude = 0;
  for (let index = from; index < from + length; index++)
    magnitude = Math.max(magnitude, Math.abs(data[index] as number));
  return magnitude;
}
