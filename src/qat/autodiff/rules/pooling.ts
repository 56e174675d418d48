// Pools, over one, two or three spatial axes.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { int, intOf, ints, intsOf } from '../../onnx/ir.ts';
import { zerosOf } from '../broadcast.ts';
import { axesFrom, sizeOf } from '../rule.ts';
import type { GradientRule, RuleTable } from '../rule.ts';
import { ones } from './slopes.ts';
import { windowAxes, windowReach } from './window.ts';
import type { WindowAxis } from './window.ts';

/**
 * The pool once more, for the flat index of every maximum (row-major, over the whole tensor), so that the forward pass
 * keeps the kernel without indices, which is faster. Windows may overlap: a value taken twice collects two gradients.
 */
const maxPool: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const x = node.inputs[0] as string;
    const shape = shapeOf(x);
    const attributes = { ...node.attributes, storage_order: int(0) };
    const indices = b.emitAll('MaxPool', [x], attributes, { outputs: 2 })[1] as string;
    const flat = b.emit(
      'ScatterElements',
      [zerosOf(b, [sizeOf(shape)]), b.reshape(indices, [-1]), b.reshape(dy, [-1])],
      { axis: int(0), reduction: { kind: 'string', value: 'add' } },
    );
    return [b.reshape(flat, shape)];
  },
};

const averagePool: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const shape = shapeOf(node.inputs[0] as string);
    const out = shapeOf(node.outputs[0] as string);
    const axes = windowAxes(node, intsOf(node, 'kernel_shape', []), shape.slice(2), out.slice(2));
    const counted = b.emit('Div', [dy, windowCounts(b, axes, intOf(node, 'count_include_pad', 0) === 1)]);
    return [tiling(axes) ? repeat(b, counted, axes, shape) : overlap(b, counted, axes, shape)];
  },
};

/** How many elements each window averages over, [1, 1, …]: pads count only where asked, and never beyond them. */
function windowCounts(b: GraphBuilder, axes: readonly WindowAxis[], includePads: boolean): string {
  const perAxis = axes.map((axis) =>
    Array.from({ length: axis.output }, (_, index) => {
      const start = index * axis.stride - axis.before;
      const [low, high] = includePads ? [-axis.before, axis.input + axis.after] : [0, axis.input];
      const taps = Array.from({ length: axis.kernel }, (_tap, tap) => start + tap * axis.dilation);
      return taps.filter((at) => at >= low && at < high).length;
    }),
  );
  const counts = perAxis.reduce<readonly number[]>(
    (outer, inner) => outer.flatMap((left) => inner.map((right) => left * right)),
    [1],
  );
  const [first] = counts;
  if (counts.every((count) => count === first)) return b.scalar(first as number);
  return b.floats(counts, [1, 1, ...axes.map((axis) => axis.output)]);
}

/** Windows that lie side by side and cover everything. */
function tiling(axes: readonly WindowAxis[]): boolean {
  return axes.every(
    (axis) =>
      axis.kernel === axis.stride && axis.dilation === 1 && axis.before === 0 && windowReach(axis) === axis.input,
  );
}

function repeat(b: GraphBuilder, value: string, axes: readonly WindowAxis[], shape: readonly number[]): string {
  const [n, channels] = shape as [number, number];
  const cells = b.reshape(value, [n, channels, ...axes.flatMap((axis) => [axis.output, 1])]);
  const spread = b.int64([n, channels, ...axes.flatMap((axis) => [axis.output, axis.kernel])]);
  return b.reshape(b.emit('Expand', [cells, spread]), shape);
}

/** Every window's value laid over all its elements: a transposed convolution with ones, cut (or filled) to size. */
function overlap(b: GraphBuilder, value: string, axes: readonly WindowAxis[], shape: readonly number[]): string {
  const images = (shape[0] as number) * (shape[1] as number);
  const kernel = axes.map((axis) => axis.kernel);
  const ones1 = b.floats(
    Array.from({ length: sizeOf(kernel) }, () => 1),
    [1, 1, ...kernel],
  );
  const laid = b.emit('ConvTranspose', [b.reshape(value, [images, 1, ...axes.map((axis) => axis.output)]), ones1], {
    kernel_shape: ints(kernel),
    strides: ints(axes.map((axis) => axis.stride)),
    dilations: ints(axes.map((axis) => axis.dilation)),
  });
  const before = axes.map((axis) => 0 - axis.before);
  const after = axes.map((axis) => axis.input + axis.before - windowReach(axis));
  const cut = [...before, ...after].some((count) => count !== 0)
    ? b.emit('Pad', [laid, b.int64([0, 0, ...before, 0, 0, ...after])])
    : laid;
  return b.reshape(cut, shape);
}

const globalAveragePool: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const shape = shapeOf(node.inputs[0] as string);
    const share = b.emit('Mul', [dy, b.scalar(1 / sizeOf(shape.slice(2)))]);
    return [b.emit('Expand', [share, b.int64(shape)])];
  },
};

/** To the largest in equal shares. */
const globalMaxPool: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [x, y] = [node.inputs[0] as string, node.outputs[0] as string];
    const taken = ones(b, b.emit('Equal', [x, y]));
    const count = b.reduceSum(taken, axesFrom(2, shapeOf(x).length), true);
    return [b.emit('Mul', [taken, b.emit('Div', [dy, count])])];
  },
};

export const poolingRules: RuleTable = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAveragePool,
  GlobalMaxPool: globalMaxPool,
};
