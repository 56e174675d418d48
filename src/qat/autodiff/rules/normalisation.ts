// Normalisation by a sample's own statistics: layer, instance and group norm, Lp norm, local response. With x̂ the
// normalised value, g its gradient and means over what was normalised together:
//   dx = (g − mean g − x̂·mean(g·x̂)) / √(variance + ε)        (Ba, Kiros and Hinton 2016)
import type { GraphBuilder } from '../../onnx/builder.ts';
import { decomposeGroupNorm } from '../../onnx/decompose.ts';
import { floatOf, int, intOf } from '../../onnx/ir.ts';
import type { Attribute } from '../../onnx/ir.ts';
import { sumToShape } from '../broadcast.ts';
import { axesFrom, axisOf, sizeOf } from '../rule.ts';
import type { GradientRule, RuleTable } from '../rule.ts';
import { alongAxis, transposed } from './along-axis.ts';
import type { Matrix } from './along-axis.ts';
import { square } from './slopes.ts';

const KEEP: { readonly [name: string]: Attribute } = { keepdims: int(1) };

const layerNormalization: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, scale, bias] = node.inputs as [string, string, string];
    const shape = shapeOf(x);
    const axes = axesFrom(axisOf(intOf(node, 'axis', -1), shape.length), shape.length);
    const { normalised, invStd } = normalise(b, x, axes, floatOf(node, 'epsilon', 1e-5));
    return [
      wanted[0] === true ? inputGradient(b, b.emit('Mul', [dy, scale]), normalised, invStd, axes) : undefined,
      wanted[1] === true ? sumToShape(b, b.emit('Mul', [dy, normalised]), shape, shapeOf(scale)) : undefined,
      wanted[2] === true ? sumToShape(b, dy, shape, shapeOf(bias)) : undefined,
    ];
  },
};

const instanceNormalization: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, scale] = node.inputs as [string, string];
    const shape = shapeOf(x);
    const axes = axesFrom(2, shape.length);
    const column = [shape[1] as number, ...axes.map(() => 1)];
    const { normalised, invStd } = normalise(b, x, axes, floatOf(node, 'epsilon', 1e-5));
    const perChannel = (value: string): string => b.reshape(sumToShape(b, value, shape, column), [column[0] as number]);
    const g = b.emit('Mul', [dy, b.reshape(scale, column)]);
    return [
      wanted[0] === true ? inputGradient(b, g, normalised, invStd, axes) : undefined,
      wanted[1] === true ? perChannel(b.emit('Mul', [dy, normalised])) : undefined,
      wanted[2] === true ? perChannel(dy) : undefined,
    ];
  },
};

/** Scale and bias per channel (opset 21) or per group (opset 18), told apart by their size. */
const groupNormalization: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node, shapeOf }) =>
    decomposeGroupNorm(b, node, shapeOf(node.inputs[0] as string), shapeOf(node.inputs[1] as string)[0] as number),
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, scale] = node.inputs as [string, string];
    const shape = shapeOf(x);
    const groups = intOf(node, 'num_groups', 1);
    const parameters = shapeOf(scale)[0] as number;
    const [n, channels] = shape as [number, number];
    const pixels = sizeOf(shape.slice(2));
    const grouped = [n, groups, channels / groups, pixels];
    const column = parameters === groups ? [groups, 1, 1] : [groups, channels / groups, 1];
    const { normalised, invStd } = normalise(b, b.reshape(x, grouped), [2, 3], floatOf(node, 'epsilon', 1e-5));
    const dGrouped = b.reshape(dy, grouped);
    const g = b.emit('Mul', [dGrouped, b.reshape(scale, column)]);
    const perParameter = (value: string): string => b.reshape(sumToShape(b, value, grouped, column), [parameters]);
    return [
      wanted[0] === true ? b.reshape(inputGradient(b, g, normalised, invStd, [2, 3]), shape) : undefined,
      wanted[1] === true ? perParameter(b.emit('Mul', [dGrouped, normalised])) : undefined,
      wanted[2] === true ? perParameter(dGrouped) : undefined,
    ];
  },
};

function normalise(b: GraphBuilder, x: string, axes: readonly number[], epsilon: number) {
  const centred = b.emit('Sub', [x, meanOver(b, x, axes)]);
  const variance = meanOver(b, square(b, centred), axes);
  const invStd = b.emit('Reciprocal', [b.emit('Sqrt', [b.emit('Add', [variance, b.scalar(epsilon)])])]);
  return { normalised: b.emit('Mul', [centred, invStd]), invStd };
}

function inputGradient(
  b: GraphBuilder,
  g: string,
  normalised: string,
  invStd: string,
  axes: readonly number[],
): string {
  const aligned = b.emit('Mul', [normalised, meanOver(b, b.emit('Mul', [g, normalised]), axes)]);
  return b.emit('Mul', [b.emit('Sub', [b.emit('Sub', [g, meanOver(b, g, axes)]), aligned]), invStd]);
}

function meanOver(b: GraphBuilder, value: string, axes: readonly number[]): string {
  return b.emit('ReduceMean', [value, b.int64(axes)], KEEP);
}

/** y = x/‖x‖ₚ along an axis: dx = (dy − s·Σ dy·y)/‖x‖ₚ with s = y for p = 2 and sign x for p = 1. */
const lpNormalization: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [x, y] = [node.inputs[0] as string, node.outputs[0] as string];
    const axis = b.int64([intOf(node, 'axis', -1)]);
    const first = intOf(node, 'p', 2) === 1;
    const norm = b.emit(first ? 'ReduceL1' : 'ReduceL2', [x, axis], KEEP);
    const total = b.emit('ReduceSum', [b.emit('Mul', [dy, y]), axis], KEEP);
    const direction = first ? b.emit('Sign', [x]) : y;
    return [b.emit('Div', [b.emit('Sub', [dy, b.emit('Mul', [direction, total])]), norm])];
  },
};

/**
 * y = x·D^−β, D = bias + α/size · Σ x² over neighbouring channels (Krizhevsky et al. 2012):
 * dx = dy·D^−β − 2αβ/size · x · Σ dy·y/D over the channels whose window holds this one.
 */
const localResponse: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [x, y] = [node.inputs[0] as string, node.outputs[0] as string];
    const shape = shapeOf(x);
    const size = intOf(node, 'size', 1);
    const [alpha, beta] = [floatOf(node, 'alpha', 1e-4), floatOf(node, 'beta', 0.75)];
    const window = channelBand(shape[1] as number, size);
    const near = alongAxis(b, square(b, x), shape, 1, window);
    const d = b.emit('Add', [b.emit('Mul', [near, b.scalar(alpha / size)]), b.scalar(floatOf(node, 'bias', 1))]);
    const direct = b.emit('Mul', [dy, b.emit('Pow', [d, b.scalar(-beta)])]);
    const felt = alongAxis(b, b.emit('Div', [b.emit('Mul', [dy, y]), d]), shape, 1, transposed(window));
    const through = b.emit('Mul', [b.emit('Mul', [x, felt]), b.scalar((2 * alpha * beta) / size)]);
    return [b.emit('Sub', [direct, through])];
  },
};

/** 1 where channel `column` lies in the window of channel `row`. */
function channelBand(channels: number, size: number): Matrix {
  const values = new Float32Array(channels * channels);
  for (let row = 0; row < channels; row++)
    for (let column = 0; column < channels; column++)
      if (column >= row - Math.floor((size - 1) / 2) && column <= row + Math.ceil((size - 1) / 2))
        values[row * channels + column] = 1;
  return { rows: channels, columns: channels, values };
}

export const normalisationRules: RuleTable = {
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
  GroupNormalization: groupNormalization,
  LpNormalization: lpNormalization,
  LRN: localResponse,
};
