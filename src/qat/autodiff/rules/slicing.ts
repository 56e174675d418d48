// Concat, Split, Slice, Pad: parts of a tensor put together or taken out.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { int, intOf, textOf } from '../../onnx/ir.ts';
import { zerosOf } from '../broadcast.ts';
import { axisOf, constantInput, GradientError } from '../rule.ts';
import type { GradientRule, RuleTable } from '../rule.ts';

const concat: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const axis = axisOf(intOf(node, 'axis', 0), shapeOf(node.outputs[0] as string).length);
    let start = 0;
    return node.inputs.map((input, index) => {
      const size = shapeOf(input)[axis] as number;
      const from = start;
      start += size;
      return wanted[index] === true ? slice(b, dy, axis, from, from + size) : undefined;
    });
  },
};

const split: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream }) => {
    const parts = node.outputs.map((output, index) => upstream[index] ?? zerosOf(b, shapeOf(output)));
    return [b.emit('Concat', parts, { axis: int(intOf(node, 'axis', 0)) })];
  },
};

/** Each axis first turned and spread by its step, then padded to where it was cut from. */
const sliced: GradientRule = {
  kind: 'gradient',
  backward: (context) => {
    const { b, node, shapeOf, upstream } = context;
    if (upstream[0] === undefined) return [];
    const shape = shapeOf(node.inputs[0] as string);
    const taken = [...shapeOf(node.outputs[0] as string)];
    if (taken.includes(0)) return [zerosOf(b, shape)];
    const starts = constantInput(context, 1) ?? [];
    const axes = constantInput(context, 3) ?? starts.map((_, index) => index);
    const steps = constantInput(context, 4) ?? starts.map(() => 1);
    const before = shape.map(() => 0);
    const after = shape.map(() => 0);
    let value = upstream[0];
    axes.forEach((raw, index) => {
      const axis = axisOf(raw, shape.length);
      const [step, size, count] = [steps[index] as number, shape[axis] as number, taken[axis] as number];
      let first = firstIndex(starts[index] as number, size, step);
      if (step < 0) {
        value = reverse(b, value, axis);
        first += (count - 1) * step;
      }
      const stride = Math.abs(step);
      if (stride > 1) value = spread(b, value, taken, axis, stride);
      before[axis] = first;
      after[axis] = size - first - (taken[axis] as number);
    });
    return [b.emit('Pad', [value, b.int64([...before, ...after])])];
  },
};

function firstIndex(start: number, size: number, step: number): number {
  return Math.min(Math.max(start < 0 ? start + size : start, 0), step > 0 ? size : size - 1);
}

/** Puts stride − 1 zeros behind every element along `axis`; `shape` follows. */
function spread(b: GraphBuilder, value: string, shape: number[], axis: number, stride: number): string {
  const apart = b.reshape(value, [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]);
  const ends = shape.map(() => 0);
  const pads = [...ends, 0, ...ends, 0];
  pads[pads.length - shape.length + axis] = stride - 1;
  shape[axis] = (shape[axis] as number) * stride;
  return b.reshape(b.emit('Pad', [apart, b.int64(pads)]), shape);
}

function reverse(b: GraphBuilder, value: string, axis: number): string {
  return b.emit('Slice', [value, b.int64([-1]), b.int64([-(2 ** 31)]), b.int64([axis]), b.int64([-1])]);
}

function slice(b: GraphBuilder, value: string, axis: number, from: number, to: number): string {
  return b.emit('Slice', [value, b.int64([from]), b.int64([to]), b.int64([axis])]);
}

const pad: GradientRule = {
  kind: 'gradient',
  backward: (context) => {
    const { b, node, shapeOf, upstream } = context;
    if (upstream[0] === undefined) return [];
    const shape = shapeOf(node.inputs[0] as string);
    const given = constantInput(context, 1) ?? [];
    const axes = constantInput(context, 3)?.map((axis) => axisOf(axis, shape.length)) ?? shape.map((_, axis) => axis);
    const before = shape.map(() => 0);
    const after = shape.map(() => 0);
    axes.forEach((axis, index) => {
      before[axis] = given[index] as number;
      after[axis] = given[index + axes.length] as number;
    });
    const mode = textOf(node, 'mode', 'constant');
    const negated = (pads: readonly number[]): readonly number[] => pads.map((count) => (count === 0 ? 0 : -count));
    if (mode === 'constant') return [b.emit('Pad', [upstream[0], b.int64([...negated(before), ...negated(after)])])];
    if (mode !== 'reflect' && mode !== 'edge') throw new GradientError(node, `padding mode "${mode}" has no gradient`);
    if ([...before, ...after].some((count) => count < 0))
      throw new GradientError(node, `negative pads in mode "${mode}" have no gradient`);
    return [
      shape.reduce(
        (value, size, axis) => unpad(b, value, axis, size, before[axis] as number, after[axis] as number, mode),
        upstream[0],
      ),
    ];
  },
};

/** Along one axis: the core, and what the border copied added where it was copied from. */
function unpad(
  b: GraphBuilder,
  value: string,
  axis: number,
  size: number,
  before: number,
  after: number,
  mode: 'reflect' | 'edge',
): string {
  if (before === 0 && after === 0) return value;
  const gathered = (border: string): string =>
    mode === 'reflect' ? reverse(b, border, axis) : b.reduceSum(border, [axis], true);
  const placed = (border: string, at: number, count: number): string => {
    const trailing = size - at - count;
    return b.emit('Pad', [border, b.int64([at, trailing]), '', b.int64([axis])]);
  };
  const parts = [slice(b, value, axis, before, before + size)];
  if (before > 0) {
    const [at, count] = mode === 'reflect' ? [1, before] : [0, 1];
    parts.push(placed(gathered(slice(b, value, axis, 0, before)), at, count));
  }
  if (after > 0) {
    const [at, count] = mode === 'reflect' ? [size - 1 - after, after] : [size - 1, 1];
    parts.push(placed(gathered(slice(b, value, axis, before + size, before + size + after)), at, count));
  }
  return parts.reduce((sum, part) => b.emit('Add', [sum, part]));
}

export const slicingRules: RuleTable = { Concat: concat, Split: split, Slice: sliced, Pad: pad };
