// Reductions over some axes, and running sums. The gradient of what was reduced stretches back over the axes; the rules
// differ in what each element weighs.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { int, intOf } from '../../onnx/ir.ts';
import { axisOf, constantInput, sizeOf } from '../rule.ts';
import type { BackwardContext, GradientRule, RuleTable } from '../rule.ts';
import { ones } from './slopes.ts';

interface Reduced {
  readonly b: GraphBuilder;
  readonly x: string;
  /** The reduced value and its gradient, with the reduced axes kept as 1. */
  readonly y: string;
  readonly dy: string;
  readonly axes: readonly number[];
  readonly shape: readonly number[];
}

/** `back` gives a gradient that broadcasts to x, of x's shape where `full`. */
function reduction(back: (parts: Reduced) => string, full = true): GradientRule {
  return {
    kind: 'gradient',
    backward: (context) => {
      const { b, node, shapeOf, upstream } = context;
      if (upstream[0] === undefined) return [];
      const x = node.inputs[0] as string;
      const shape = shapeOf(x);
      const axes = reducedAxes(context, shape.length);
      const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
      const y = b.reshape(node.outputs[0] as string, kept);
      const found = back({ b, x, y, dy: b.reshape(upstream[0], kept), axes, shape });
      return [full ? found : b.emit('Expand', [found, b.int64(shape)])];
    },
  };
}

function reducedAxes(context: BackwardContext, rank: number): readonly number[] {
  const axes = constantInput(context, 1) ?? [];
  if (axes.length > 0) return axes.map((axis) => axisOf(axis, rank));
  return intOf(context.node, 'noop_with_empty_axes', 0) === 1 ? [] : Array.from({ length: rank }, (_, axis) => axis);
}

/** To the largest (smallest) elements in equal shares, as PyTorch's amax. */
const extreme = reduction(({ b, x, y, dy, axes }) => {
  const taken = ones(b, b.emit('Equal', [x, y]));
  const count = axes.length === 0 ? b.scalar(1) : b.reduceSum(taken, axes, true);
  return b.emit('Mul', [taken, b.emit('Div', [dy, count])]);
});

/** The product of all the others, also where some are 0: an element's others hold no 0 if it is the only one. */
const product = reduction(({ b, x, dy, axes }) => {
  const zero = ones(b, b.emit('Equal', [x, b.scalar(0)]));
  const filled = b.emit('Add', [x, zero]);
  const over = (op: string, value: string): string =>
    axes.length === 0 ? value : b.emit(op, [value, b.int64(axes)], { keepdims: int(1) });
  const alone = ones(b, b.emit('Equal', [over('ReduceSum', zero), zero]));
  return b.emit('Mul', [b.emit('Mul', [dy, alone]), b.emit('Div', [over('ReduceProd', filled), filled])]);
});

/** x/‖x‖, 0 at the origin as in PyTorch. */
const euclidean = reduction(({ b, x, y, dy }) => {
  const origin = b.emit('Equal', [y, b.scalar(0)]);
  return b.emit('Mul', [x, b.emit('Div', [dy, b.emit('Where', [origin, b.scalar(1), y])])]);
});

const cumSum: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, upstream: [dy] }) =>
    dy === undefined
      ? []
      : [
          b.emit('CumSum', [dy, node.inputs[1] as string], {
            exclusive: int(intOf(node, 'exclusive', 0)),
            reverse: int(1 - intOf(node, 'reverse', 0)),
          }),
        ],
};

export const reductionRules: RuleTable = {
  ReduceSum: reduction(({ dy }) => dy, false),
  ReduceMean: reduction(({ b, dy, shape, axes }) => b.emit('Mul', [dy, b.scalar(1 / sizeOf(shape, axes))]), false),
  ReduceMax: extreme,
  ReduceMin: extreme,
  ReduceProd: product,
  ReduceL1: reduction(({ b, x, dy }) => b.emit('Mul', [dy, b.emit('Sign', [x])])),
  ReduceL2: euclidean,
  ReduceLogSum: reduction(({ b, y, dy }) => b.emit('Div', [dy, b.emit('Exp', [y])]), false),
  ReduceLogSumExp: reduction(({ b, x, y, dy }) => b.emit('Mul', [dy, b.emit('Exp', [b.emit('Sub', [x, y])])])),
  ReduceSumSquare: reduction(({ b, x, dy }) => b.emit('Mul', [x, b.emit('Mul', [dy, b.scalar(2)])])),
  CumSum: cumSum,
};
