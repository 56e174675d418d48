// Faults that a quantisation kernel can have without a word, each planted into one layer after everything else is right: in how
// it is folded, in what the network was divided into, in its scales or in its rounding. None changes a tensor that was frozen,
// so no other proof looks at them: the two nets alone must catch each.
import { foldLayer, parameterOf } from '../../src/qat/network/fold.ts';
import type { FoldedLayer, Parameters } from '../../src/qat/network/fold.ts';
import type { LayerUnit, Network } from '../../src/qat/network/network.ts';
import { weightLayout } from '../../src/qat/network/weight-layout.ts';
import { float, int, ints } from '../../src/qat/onnx/ir.ts';
import type { Attribute, IrNode } from '../../src/qat/onnx/ir.ts';
import { deployLayer } from '../../src/qat/quantize/deploy.ts';
import type { DeployedLayer } from '../../src/qat/quantize/deploy.ts';
import { floatTensor } from '../../src/support/tensor.ts';

type Fold = (unit: LayerUnit, parameters: Parameters) => FoldedLayer;
type ChangeUnit = (unit: LayerUnit, network: Network) => LayerUnit;

/** What the kernel makes of a layer, in place of the right one. */
export interface Mutation {
  /** The layer, by its weight. */
  readonly layer: string;
  readonly fold?: Fold;
  readonly unit?: ChangeUnit;
  readonly scales?: (scales: Float32Array, all: ReadonlyMap<string, Float32Array>) => Float32Array;
  readonly deployed?: (layer: DeployedLayer, unit: LayerUnit) => DeployedLayer;
}

/** Of the small network: with batch norm alone, and square; with a bias too; depthwise; strided; without batch norm. */
const PLAIN = 'backbone.block5.pointwise.weight';
const BIASED = 'backbone.lateral.weight';
const DEPTHWISE = 'backbone.block3.depthwise.weight';
const STRIDED = 'backbone.stem.weight';
const BARE = 'detection.hidden.weight';

export const mutations: { readonly [what: string]: Mutation } = {
  'batch norm folded along the wrong axis': {
    layer: PLAIN,
    fold: (unit, parameters) => {
      const { bias } = foldLayer(unit, parameters);
      const { shape, data } = parameterOf(parameters, unit.weight);
      const { inputOf, outputOf, inputs } = weightLayout(unit.node, shape);
      const right = foldLayer(unit, parameters).weight.data;
      const factors = new Float32Array(inputs);
      data.forEach((value, index) => (factors[outputOf(index)] = (right[index] as number) / value));
      return {
        weight: floatTensor(
          shape,
          data.map((value, index) => value * (factors[inputOf(index)] as number)),
        ),
        bias,
      };
    },
  },
  'two output channels swapped': { layer: PLAIN, fold: weights((data, each) => rotated(data, each, 2 * each)) },
  'the groups in another order': { layer: DEPTHWISE, fold: weights((data, each) => rotated(data, each, data.length)) },
  'the weight transposed': {
    layer: PLAIN,
    fold: weights((data, each) =>
      data.map((_, index) => data[(index % each) * each + Math.floor(index / each)] as number),
    ),
  },
  'the kernel turned round': {
    layer: DEPTHWISE,
    fold: weights((data, each) =>
      data.map((_, index) => data[Math.floor(index / each) * each + (each - 1 - (index % each))] as number),
    ),
  },
  'one channel scaled by a hundredth': {
    layer: PLAIN,
    fold: weights((data, each) => data.map((value, index) => (index < each ? value * 1.01 : value))),
  },
  'one weight that is no number': {
    layer: BARE,
    fold: weights((data) => data.map((value, index) => (index === 7 ? NaN : value))),
  },
  'the bias missing': { layer: BARE, fold: biases((bias) => bias.map(() => 0)) },
  'one bias for all channels': { layer: BARE, fold: biases((bias) => bias.map(() => bias[0] as number)) },
  'the biases one channel further': { layer: BIASED, fold: biases((bias) => rotated(bias, 1, bias.length)) },
  'the bias forgotten under the batch norm': {
    layer: BIASED,
    fold: ({ bias: _, ...unit }, parameters) => foldLayer(unit, parameters),
  },
  'another ε': {
    layer: PLAIN,
    fold: (unit, parameters) =>
      foldLayer({ ...unit, norm: { ...normOf(unit), attributes: { epsilon: float(1e-3) } } }, parameters),
  },
  'mean and variance swapped': { layer: PLAIN, fold: normInputs([1, 2, 4, 3]) },
  'γ and β swapped': { layer: PLAIN, fold: normInputs([2, 1, 3, 4]) },
  'the batch norm of another layer': {
    layer: 'backbone.block5.depthwise.weight',
    fold: (unit, parameters) => {
      const norm = normOf(unit);
      const inputs = norm.inputs.map((name) => name.replace('block5.depthwise', 'block5.pointwise'));
      return foldLayer({ ...unit, norm: { ...norm, inputs } }, parameters);
    },
  },
  'a batch norm that is not folded': {
    layer: PLAIN,
    fold: ({ norm: _, ...unit }, parameters) => foldLayer(unit, parameters),
  },
  'padding dropped': { layer: DEPTHWISE, unit: attribute('pads', ints([0, 0, 0, 0])) },
  'padding on the other side': { layer: STRIDED, unit: attribute('pads', ints([0, 0, 2, 2])) },
  'another stride': { layer: STRIDED, unit: attribute('strides', ints([1, 1])) },
  'another dilation': { layer: DEPTHWISE, unit: attribute('dilations', ints([2, 2])) },
  'groups forgotten': { layer: DEPTHWISE, unit: attribute('group', int(1)) },
  'another input': {
    layer: PLAIN,
    unit: (unit, { units }) => {
      const other = units.find(
        (found) => found.kind === 'layer' && found.weight === 'backbone.block4.pointwise.weight',
      );
      return { ...unit, input: other?.output ?? '' };
    },
  },
  'the activation left out': {
    layer: PLAIN,
    unit: ({ activation: _, ...unit }) => ({ ...unit, output: unit.linear }),
  },
  'scales from before the training': { layer: PLAIN, scales: (scales) => scales.map((scale) => scale * 1.5) },
  'scales that are too small': { layer: PLAIN, scales: (scales) => scales.map((scale) => scale * 0.9) },
  'scales of another layer': {
    layer: PLAIN,
    scales: (_, all) => all.get('backbone.block5.depthwise.weight') ?? new Float32Array(),
  },
  'scales one channel further': { layer: BIASED, scales: (scales) => rotated(scales, 1, scales.length) },
  'weights rounded downwards': {
    layer: BARE,
    deployed: (layer, unit) => ({
      ...layer,
      weights: layer.weights.map((value, index) => value - stepAt(layer, unit, index) * (index % 2)),
    }),
  },
  'one weight two steps further': {
    layer: BARE,
    deployed: (layer, unit) => ({
      ...layer,
      weights: layer.weights.map((value, index) => (index === 5 ? value + 2 * stepAt(layer, unit, index) : value)),
    }),
  },
  'scales laid along the other axis': {
    layer: PLAIN,
    deployed: (layer, unit) => {
      const { inputOf } = weightLayout(unit.node, layer.weightShape);
      const scaled = [...layer.weightSteps].map(
        (steps, index) => steps * (layer.weightScales[inputOf(index)] as number),
      );
      return { ...layer, weights: Float32Array.from(scaled) };
    },
  },
};

/** How the grid's net is shown a mutation of deploying. */
export function deployAs({ layer, deployed }: Mutation): typeof deployLayer {
  return (unit, ...rest) => {
    const right = deployLayer(unit, ...rest);
    return unit.weight === layer && deployed !== undefined ? deployed(right, unit) : right;
  };
}

function normOf({ norm, weight }: LayerUnit): IrNode {
  if (norm === undefined) throw new Error(`"${weight}" has no batch norm`);
  return norm;
}

function weights(change: (data: Float32Array, each: number) => Float32Array): Fold {
  return (unit, parameters) => {
    const { weight, bias } = foldLayer(unit, parameters);
    const each = weight.data.length / (weight.shape[0] as number);
    return { weight: floatTensor(weight.shape, change(weight.data, each)), bias };
  };
}

function biases(change: (data: Float32Array) => Float32Array): Fold {
  return (unit, parameters) => {
    const { weight, bias } = foldLayer(unit, parameters);
    return { weight, bias: floatTensor(bias.shape, change(bias.data)) };
  };
}

function normInputs(order: readonly number[]): Fold {
  return (unit, parameters) => {
    const norm = normOf(unit);
    const inputs = [0, ...order].map((at) => norm.inputs[at] as string);
    return foldLayer({ ...unit, norm: { ...norm, inputs } }, parameters);
  };
}

function attribute(name: string, value: Attribute): ChangeUnit {
  return (unit) => ({ ...unit, node: { ...unit.node, attributes: { ...unit.node.attributes, [name]: value } } });
}

/** The first `length` values, moved on by `by`. */
function rotated(data: Float32Array, by: number, length: number): Float32Array {
  return data.map((value, index) => (index < length ? (data[(index + by) % length] as number) : value));
}

function stepAt({ weightScales, weightShape }: DeployedLayer, { node }: LayerUnit, index: number): number {
  return weightScales[weightLayout(node, weightShape).scaleOf(index)] as number;
}
