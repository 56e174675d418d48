// Activation functions. At a kink every rule takes PyTorch's choice.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { decomposeGelu } from '../../onnx/decompose.ts';
import { floatOf, textOf } from '../../onnx/ir.ts';
import type { GradientRule, RuleTable } from '../rule.ts';
import { oneMinus, ones, pointwise, square } from './slopes.ts';

const SELU_ALPHA = 1.6732632423543772;
const SELU_GAMMA = 1.0507009873554805;

const relu = pointwise(({ b, y, dy }) => b.emit('Mul', [dy, ones(b, positive(b, y))]));

const leakyRelu = pointwise(({ b, node, x, dy }) =>
  b.emit('Where', [positive(b, x), dy, b.emit('Mul', [dy, b.scalar(floatOf(node, 'alpha', 0.01))])]),
);

const thresholdedRelu = pointwise(({ b, node, x, dy }) =>
  b.emit('Mul', [dy, ones(b, b.emit('Greater', [x, b.scalar(floatOf(node, 'alpha', 1))]))]),
);

const prelu: GradientRule = {
  kind: 'gradient',
  broadcasts: true,
  backward: ({ b, node, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, slope] = node.inputs as [string, string];
    const above = positive(b, x);
    return [
      wanted[0] === true ? b.emit('Where', [above, dy, b.emit('Mul', [dy, slope])]) : undefined,
      wanted[1] === true ? b.emit('Where', [above, b.scalar(0), b.emit('Mul', [dy, x])]) : undefined,
    ];
  },
};

/** Below 0, y = α(eˣ − 1), so that y' = y + α. */
const elu = pointwise(({ b, node, x, y, dy }) => {
  const below = b.emit('Add', [y, b.scalar(floatOf(node, 'alpha', 1))]);
  return b.emit('Where', [positive(b, x), dy, b.emit('Mul', [dy, below])]);
});

const selu = pointwise(({ b, node, x, y, dy }) => {
  const gamma = floatOf(node, 'gamma', SELU_GAMMA);
  const below = b.emit('Add', [y, b.scalar(gamma * floatOf(node, 'alpha', SELU_ALPHA))]);
  return b.emit('Mul', [dy, b.emit('Where', [positive(b, x), b.scalar(gamma), below])]);
});

/** Below 0, y = α(e^(x/α) − 1), so that y' = y/α + 1. */
const celu = pointwise(({ b, node, x, y, dy }) => {
  const below = b.emit('Add', [b.emit('Div', [y, b.scalar(floatOf(node, 'alpha', 1))]), b.scalar(1)]);
  return b.emit('Where', [positive(b, x), dy, b.emit('Mul', [dy, below])]);
});

const sigmoid = pointwise(({ b, y, dy }) => b.emit('Mul', [dy, b.emit('Mul', [y, oneMinus(b, y)])]));

const hardSigmoid = pointwise(({ b, node, y, dy }) => {
  const inside = b.emit('And', [positive(b, y), b.emit('Less', [y, b.scalar(1)])]);
  return b.emit('Mul', [dy, b.emit('Mul', [ones(b, inside), b.scalar(floatOf(node, 'alpha', 0.2))])]);
});

/** 0 up to −3, x/3 + 1/2 up to 3, then 1. */
const hardSwish = pointwise(({ b, x, dy }) => {
  const ramp = b.emit('Add', [b.emit('Mul', [x, b.scalar(1 / 3)]), b.scalar(0.5)]);
  const upper = b.emit('Where', [b.emit('Less', [x, b.scalar(3)]), ramp, b.scalar(1)]);
  return b.emit('Mul', [dy, b.emit('Where', [b.emit('Greater', [x, b.scalar(-3)]), upper, b.scalar(0)])]);
});

const softplus = pointwise(({ b, x, dy }) => b.emit('Mul', [dy, b.emit('Sigmoid', [x])]));

const softsign = pointwise(({ b, x, dy }) =>
  b.emit('Div', [dy, square(b, b.emit('Add', [b.scalar(1), b.emit('Abs', [x])]))]),
);

/** x·tanh(softplus(x)), with t the tanh: t + x·(1 − t²)·sigmoid(x). */
const mish = pointwise(({ b, x, dy }) => {
  const t = b.emit('Tanh', [b.emit('Softplus', [x])]);
  const rising = b.emit('Mul', [b.emit('Mul', [x, b.emit('Sigmoid', [x])]), oneMinus(b, square(b, t))]);
  return b.emit('Mul', [dy, b.emit('Add', [t, rising])]);
});

const gelu = pointwise(
  ({ b, node, x, dy }) =>
    b.emit('Mul', [dy, textOf(node, 'approximate', 'none') === 'tanh' ? tanhGeluSlope(b, x) : geluSlope(b, x)]),
  ({ b, node }) => {
    decomposeGelu(b, node);
  },
);

/** x·Φ(x): Φ(x) + x·φ(x), the normal distribution and its density. */
function geluSlope(b: GraphBuilder, x: string): string {
  const erf = b.emit('Erf', [b.emit('Mul', [x, b.scalar(Math.SQRT1_2)])]);
  const distribution = b.emit('Mul', [b.emit('Add', [erf, b.scalar(1)]), b.scalar(0.5)]);
  const bell = b.emit('Exp', [b.emit('Mul', [square(b, x), b.scalar(-0.5)])]);
  const density = b.emit('Mul', [bell, b.scalar(1 / Math.sqrt(2 * Math.PI))]);
  return b.emit('Add', [distribution, b.emit('Mul', [x, density])]);
}

/** x/2·(1 + t), t = tanh(√(2/π)·(x + c·x³)), c = 0.044715 (Hendrycks and Gimpel 2016). */
function tanhGeluSlope(b: GraphBuilder, x: string): string {
  const [root, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const xx = square(b, x);
  const inner = b.emit('Mul', [x, b.emit('Add', [b.emit('Mul', [xx, b.scalar(root * cubic)]), b.scalar(root)])]);
  const t = b.emit('Tanh', [inner]);
  const innerSlope = b.emit('Add', [b.emit('Mul', [xx, b.scalar(3 * root * cubic)]), b.scalar(root)]);
  const rising = b.emit('Mul', [b.emit('Mul', [x, oneMinus(b, square(b, t))]), innerSlope]);
  return b.emit('Mul', [b.emit('Add', [b.emit('Add', [t, b.scalar(1)]), rising]), b.scalar(0.5)]);
}

function positive(b: GraphBuilder, value: string): string {
  return b.emit('Greater', [value, b.scalar(0)]);
}

export const activationRules: RuleTable = {
  Relu: relu,
  LeakyRelu: leakyRelu,
  ThresholdedRelu: thresholdedRelu,
  PRelu: prelu,
  Elu: elu,
  Selu: selu,
  Celu: celu,
  Sigmoid: sigmoid,
  HardSigmoid: hardSigmoid,
  HardSwish: hardSwish,
  Softplus: softplus,
  Softsign: softsign,
  Mish: mish,
  Gelu: gelu,
};
