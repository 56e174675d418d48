// Losses as operators with a gradient of their own, so that both stay stable for large logits. Each returns a scalar.
import { int, intOf } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import type { GradientRule } from '../rule.ts';

/**
 * `headgate.FocalHeatmap(logits, target)`, both [N, C, H, W]: penalty-reduced focal loss of CornerNet (Law and Deng 2018,
 * eq. 1; α = 2, β = 4) on p = sigmoid(logits), divided by the number of peaks (target = 1), at least 1.
 */
export const focalHeatmap: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node }) => {
    const [logits, target] = node.inputs as [string, string];
    const { p, q, logP, logQ, peak, penalty, peaks } = focalParts(b, logits, target);
    const positive = b.emit('Mul', [b.emit('Mul', [peak, b.emit('Mul', [q, q])]), logP]);
    const negative = b.emit('Mul', [b.emit('Mul', [penalty, b.emit('Mul', [p, p])]), logQ]);
    const sum = b.emit('ReduceSum', [b.emit('Add', [positive, negative])], { keepdims: int(0) });
    b.emit('Neg', [b.emit('Div', [sum, peaks])], {}, { outputs: node.outputs });
  },
  backward: ({ b, node, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [logits, target] = node.inputs as [string, string];
    const { p, q, logP, logQ, peak, penalty, peaks } = focalParts(b, logits, target);
    const two = b.scalar(2);
    const qq = b.emit('Mul', [q, q]);
    const pp = b.emit('Mul', [p, p]);
    // d/dz of −q²·log p = q²·(2·p·log p − q); of −p²·log q = p²·(p − 2·q·log q).
    const atPeak = b.emit('Mul', [qq, b.emit('Sub', [b.emit('Mul', [two, b.emit('Mul', [p, logP])]), q])]);
    const elsewhere = b.emit('Mul', [pp, b.emit('Sub', [p, b.emit('Mul', [two, b.emit('Mul', [q, logQ])])])]);
    const sum = b.emit('Add', [b.emit('Mul', [peak, atPeak]), b.emit('Mul', [penalty, elsewhere])]);
    return [b.emit('Mul', [sum, b.emit('Div', [dy, peaks])])];
  },
};

function focalParts(b: GraphBuilder, logits: string, target: string) {
  const one = b.scalar(1);
  const p = b.emit('Sigmoid', [logits]);
  const negated = b.emit('Neg', [logits]);
  const q = b.emit('Sigmoid', [negated]);
  const logP = b.emit('Neg', [b.emit('Softplus', [negated])]);
  const logQ = b.emit('Neg', [b.emit('Softplus', [logits])]);
  const peak = b.emit('Cast', [b.emit('Equal', [target, one])], { to: int(1) });
  const away = b.emit('Sub', [one, target]);
  const squared = b.emit('Mul', [away, away]);
  const penalty = b.emit('Mul', [squared, squared]); // 0 at peaks, where target = 1
  const peaks = b.emit('Max', [b.emit('ReduceSum', [peak], { keepdims: int(0) }), one]);
  return { p, q, logP, logQ, peak, penalty, peaks };
}

/**
 * `headgate.CrossEntropy(logits [N, C, H, W], target int32 [N, H, W])`, attribute `ignore`: mean over the pixels whose
 * target is not `ignore` (0 if there is none) of −log softmax(logits)[target].
 */
export const crossEntropy: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node, shapeOf }) => {
    const [logits, target] = node.inputs as [string, string];
    const parts = crossEntropyParts(b, logits, target, shapeOf(logits), intOf(node, 'ignore', 255));
    const logSum = b.emit('Log', [parts.sum]);
    const picked = b.emit('ReduceSum', [b.emit('Mul', [parts.oneHot, parts.shifted]), b.int64([1])], {
      keepdims: int(1),
    });
    const perPixel = b.emit('Mul', [b.emit('Sub', [logSum, picked]), parts.valid]);
    b.emit('Div', [b.emit('ReduceSum', [perPixel], { keepdims: int(0) }), parts.count], {}, { outputs: node.outputs });
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const [logits, target] = node.inputs as [string, string];
    const parts = crossEntropyParts(b, logits, target, shapeOf(logits), intOf(node, 'ignore', 255));
    const softmax = b.emit('Div', [parts.exp, parts.sum]);
    const weight = b.emit('Mul', [parts.valid, b.emit('Div', [dy, parts.count])]);
    return [b.emit('Mul', [b.emit('Sub', [softmax, parts.oneHot]), weight])];
  },
};

function crossEntropyParts(b: GraphBuilder, logits: string, target: string, shape: readonly number[], ignore: number) {
  const [n, classes, h, w] = shape as [number, number, number, number];
  const labels = b.reshape(target, [n, 1, h, w]);
  const ids = b.constant({
    dtype: 'int32',
    shape: [1, classes, 1, 1],
    data: Int32Array.from({ length: classes }, (_, id) => id),
  });
  const ignored = b.constant({ dtype: 'int32', shape: [], data: Int32Array.of(ignore) });
  const oneHot = b.emit('Cast', [b.emit('Equal', [labels, ids])], { to: int(1) });
  const valid = b.emit('Cast', [b.emit('Not', [b.emit('Equal', [labels, ignored])])], { to: int(1) });
  const count = b.emit('Max', [b.emit('ReduceSum', [valid], { keepdims: int(0) }), b.scalar(1)]);
  const shifted = b.emit('Sub', [logits, b.emit('ReduceMax', [logits, b.int64([1])], { keepdims: int(1) })]);
  const exp = b.emit('Exp', [shifted]);
  const sum = b.emit('ReduceSum', [exp, b.int64([1])], { keepdims: int(1) });
  return { oneHot, valid, count, shifted, exp, sum };
}

/** `headgate.MeanSquaredError(value, reference)`: mean of squared differences; no gradient to the reference. */
export const meanSquaredError: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node }) => {
    const difference = b.emit('Sub', node.inputs);
    b.emit('ReduceMean', [b.emit('Mul', [difference, difference])], { keepdims: int(0) }, { outputs: node.outputs });
  },
  backward: ({ b, node, shapeOf, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const count = shapeOf(node.inputs[0] as string).reduce((product, size) => product * size, 1);
    const difference = b.emit('Sub', node.inputs);
    return [b.emit('Mul', [difference, b.emit('Mul', [dy, b.scalar(2 / count)])])];
  },
};
