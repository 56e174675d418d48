// Cross-layer equalisation (Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction"):
// output channel i of one layer is divided by s_i and the next layer's input channel i multiplied by it, so that both get
// the same range; between them stands nothing but a Relu or a leaky one, for which relu(x / s) = relu(x) / s. The network's
// function stays, up to the rounding of float32. Weights are unfolded here, so a layer with batch norm is scaled in γ and β.
import type { Parameters } from '../network/fold.ts';
import { foldLayer, parameterOf } from '../network/fold.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { keptValues } from '../network/scopes.ts';
import { outputChannelAxis, weightLayout } from '../network/weight-layout.ts';
import type { WeightLayout } from '../network/weight-layout.ts';
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

/** f(x / s) = f(x) / s for every s > 0, channel by channel. */
const homogeneous: ReadonlySet<string> = new Set(['Relu', 'LeakyRelu', 'PRelu']);

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
  const kept = keptValues(network.scopes);
  const readers = new Map<string, number>();
  for (const node of network.graph.nodes)
    for (const input of node.inputs) readers.set(input, (readers.get(input) ?? 0) + 1);
  const layers = network.units.filter((unit): unit is LayerUnit => unit.kind === 'layer' && unit.scope === scope);
  // What two layers share cannot be scaled for one of them.
  const own = (parameter: string): boolean => readers.get(parameter) === 1;
  return layers.flatMap((first) => {
    if (kept.has(first.output) || readers.get(first.output) !== 1 || !outputScaleOf(first).every(own)) return [];
    if (first.norm === undefined && hasOneBias(network, first)) return [];
    if (first.activation !== undefined && !homogeneous.has(first.activation.op)) return [];
    const second = layers.find((unit) => unit.input === first.output);
    if (second === undefined || !own(second.weight)) return [];
    return outputChannelAxis(first.node) === outputChannelAxis(second.node) ? [{ first, second }] : [];
  });
}

/** Whether one value is the bias of several channels, which then cannot be scaled apart. */
function hasOneBias({ graph }: Network, { node, weight, bias }: LayerUnit): boolean {
  const [size, shape] = [bias ?? '', weight].map((name) => graph.initializers.get(name)?.shape);
  return size?.[0] === 1 && weightLayout(node, shape ?? []).outputs > 1;
}

/** @returns the largest |s_i − 1|. */
function equalisePair({ first, second }: Pair, current: Map<string, FloatTensor>): number {
  const here = ranges(foldLayer(first, current).weight, layoutOf(first, current), 'output');
  const next = ranges(foldLayer(second, current).weight, layoutOf(second, current), 'input');
  const factors = here.map((range, channel) => {
    const other = next[channel] as number;
    // A dead channel has no range to share.
    return range > 0 && other > 0 ? Math.sqrt(range / other) : 1;
  });
  divideOutputs(first, factors, current);
  multiplyInputs(second, factors, current);
  return factors.reduce((most, factor) => Math.max(most, Math.abs(factor - 1)), 0);
}

function layoutOf({ node, weight }: LayerUnit, current: Parameters): WeightLayout {
  return weightLayout(node, parameterOf(current, weight).shape);
}

/** max|w| per output channel, or per input channel over all outputs that read it. */
function ranges({ data }: FloatTensor, layout: WeightLayout, side: 'output' | 'input'): Float32Array {
  const found = new Float32Array(side === 'output' ? layout.outputs : layout.inputs);
  for (const [index, value] of data.entries()) {
    const channel = side === 'output' ? layout.outputOf(index) : layout.inputOf(index);
    found[channel] = Math.max(found[channel] as number, Math.abs(value));
  }
  return found;
}

function divideOutputs(unit: LayerUnit, factors: Float32Array, current: Map<string, FloatTensor>): void {
  const { outputOf } = layoutOf(unit, current);
  for (const name of outputScaleOf(unit)) {
    const { shape, data } = parameterOf(current, name);
    const channelOf = name === unit.weight ? outputOf : (index: number) => index;
    current.set(
      name,
      floatTensor(
        shape,
        data.map((value, index) => value / (factors[channelOf(index)] as number)),
      ),
    );
  }
}

/** The parameters that the layer's folded output is proportional to. */
function outputScaleOf({ norm, weight, bias }: LayerUnit): readonly string[] {
  if (norm !== undefined) return norm.inputs.slice(1, 3);
  return bias === undefined ? [weight] : [weight, bias];
}

function multiplyInputs(unit: LayerUnit, factors: Float32Array, current: Map<string, FloatTensor>): void {
  const { inputOf } = layoutOf(unit, current);
  const { shape, data } = parameterOf(current, unit.weight);
  current.set(
    unit.weight,
    floatTensor(
      shape,
      data.map((value, index) => value * (factors[inputOf(index)] as number)),
    ),
  );
}
