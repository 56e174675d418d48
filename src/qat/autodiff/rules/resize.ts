// Resize: a linear map along every axis, whose matrix holds the interpolation weights; the gradient applies the
// transposed ones. Nearest-neighbour enlargement by whole factors only sums windows, which is faster.
// Coordinates and weights as in the ONNX specification of Resize-18. Refused: antialias, cropping by roi.
import { floatOf, intOf, intsOf, textOf } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import { axisOf, constantInput, GradientError } from '../rule.ts';
import type { BackwardContext, GradientRule, RuleTable } from '../rule.ts';
import { alongAxis, transposed } from './along-axis.ts';
import type { Matrix } from './along-axis.ts';

const resize: GradientRule = {
  kind: 'gradient',
  backward: (context) => {
    const { b, node, shapeOf, upstream } = context;
    if (upstream[0] === undefined) return [];
    const from = shapeOf(node.inputs[0] as string);
    const to = [...shapeOf(node.outputs[0] as string)];
    const factors = wholeFactors(node, from, to);
    if (factors !== undefined) {
      const windows = b.reshape(
        upstream[0],
        from.flatMap((size, axis) => [size, factors[axis] as number]),
      );
      const repeated = factors.flatMap((factor, axis) => (factor > 1 ? [2 * axis + 1] : []));
      return [b.reshape(repeated.length === 0 ? windows : b.reduceSum(windows, repeated, true), from)];
    }
    const scales = scalesOf(context, from, to);
    let value = upstream[0];
    from.forEach((size, axis) => {
      const scale = scales[axis] as number;
      if (size === to[axis] && scale === 1) return;
      value = alongAxis(b, value, to, axis, transposed(interpolation(node, size, to[axis] as number, scale)));
      to[axis] = size;
    });
    return [value];
  },
};

/** Where every source element was copied to a window of its own. */
function wholeFactors(node: IrNode, from: readonly number[], to: readonly number[]): readonly number[] | undefined {
  const factors = from.map((size, axis) => (to[axis] as number) / size);
  const copies =
    textOf(node, 'mode', 'nearest') === 'nearest' &&
    textOf(node, 'coordinate_transformation_mode', 'half_pixel') === 'asymmetric' &&
    textOf(node, 'nearest_mode', 'round_prefer_floor') === 'floor';
  return copies && factors.every(Number.isInteger) ? factors : undefined;
}

function scalesOf(context: BackwardContext, from: readonly number[], to: readonly number[]): readonly number[] {
  const { node } = context;
  if (intOf(node, 'antialias', 0) === 1) throw new GradientError(node, 'antialiasing has no gradient');
  if (textOf(node, 'keep_aspect_ratio_policy', 'stretch') !== 'stretch')
    throw new GradientError(node, 'a kept aspect ratio has no gradient');
  const given = constantInput(context, 2) ?? [];
  const axes = intsOf(
    node,
    'axes',
    from.map((_, axis) => axis),
  ).map((axis) => axisOf(axis, from.length));
  return from.map((size, axis) => given[axes.indexOf(axis)] ?? (to[axis] as number) / size);
}

/** [to, from]: the weight of every source element in every result. */
export function interpolation(node: IrNode, from: number, to: number, scale: number): Matrix {
  const values = new Float32Array(to * from);
  const mode = textOf(node, 'mode', 'nearest');
  for (let index = 0; index < to; index++) {
    const at = sourceCoordinate(node, index, from, to, scale);
    const taps =
      mode === 'linear'
        ? linearTaps(at, from)
        : mode === 'cubic'
          ? cubicTaps(node, at, from)
          : [[nearestIndex(node, at), 1] as const];
    for (const [source, weight] of taps) {
      const inside = Math.min(Math.max(source, 0), from - 1);
      values[index * from + inside] = (values[index * from + inside] as number) + weight;
    }
  }
  return { rows: to, columns: from, values };
}

function sourceCoordinate(node: IrNode, index: number, from: number, to: number, scale: number): number {
  const mode = textOf(node, 'coordinate_transformation_mode', 'half_pixel');
  switch (mode) {
    case 'half_pixel':
      return (index + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return to > 1 ? (index + 0.5) / scale - 0.5 : 0;
    case 'asymmetric':
      return index / scale;
    case 'align_corners':
      return to > 1 ? (index * (from - 1)) / (to - 1) : 0;
    default:
      throw new GradientError(node, `coordinates "${mode}" have no gradient`);
  }
}

function nearestIndex(node: IrNode, at: number): number {
  switch (textOf(node, 'nearest_mode', 'round_prefer_floor')) {
    case 'floor':
      return Math.floor(at);
    case 'ceil':
      return Math.ceil(at);
    case 'round_prefer_ceil':
      return Math.floor(at + 0.5);
    default:
      return Math.ceil(at - 0.5);
  }
}

type Tap = readonly [source: number, weight: number];

function linearTaps(at: number, from: number): readonly Tap[] {
  const inside = Math.min(Math.max(at, 0), from - 1);
  const first = Math.floor(inside);
  return [
    [first, 1 - (inside - first)],
    [first + 1, inside - first],
  ];
}

/** Keys 1981, with the coefficient a of the node. */
function cubicTaps(node: IrNode, at: number, from: number): readonly Tap[] {
  const a = floatOf(node, 'cubic_coeff_a', -0.75);
  const weight = (distance: number): number =>
    distance <= 1
      ? (a + 2) * distance ** 3 - (a + 3) * distance ** 2 + 1
      : a * distance ** 3 - 5 * a * distance ** 2 + 8 * a * distance - 4 * a;
  const first = Math.floor(at);
  const taps = [-1, 0, 1, 2].map((offset): Tap => [first + offset, weight(Math.abs(at - first - offset))]);
  if (intOf(node, 'exclude_outside', 0) === 0) return taps;
  const inside = taps.filter(([source]) => source >= 0 && source < from);
  const total = inside.reduce((sum, [, value]) => sum + value, 0);
  return inside.map(([source, value]) => [source, value / total]);
}

export const resizeRules: RuleTable = { Resize: resize };
