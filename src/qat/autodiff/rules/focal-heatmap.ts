// The loss of a heat map of object centres, as an operator with a gradient of its own that stays stable for large logits.
import { int } from '../../onnx/ir.ts';
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
