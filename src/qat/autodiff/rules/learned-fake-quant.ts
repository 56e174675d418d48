// `headgate.LearnedFakeQuant(x, scale)`: the same values as FakeQuant, with a gradient to the scale too (LSQ, Esser et al.
// 2020, eq. 3 and 5). With v = x / scale: dx = dY where qmin ≤ v ≤ qmax, else 0; dscale = g · Σ dY · (qmin where v < qmin;
// qmax where v > qmax; else round(v) − v), summed over what shares the scale, with g = 1/√(N·qmax): N is how many values share
// it, with the attribute `per_sample` = 1 (activations) in one image. A value that stands exactly on qmin or qmax counts as
// inside: that is what the paper's own pseudocode gives under autograd, whose clamp passes at equality, while its
// equations have it saturated. It is one value of a continuum, and for the zeros after a Relu both come to the same.
import { int, intOf } from '../../onnx/ir.ts';
import { emitQuotient, roundingOf } from '../../quantize/steps.ts';
import { elementCount } from '../../../support/tensor.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import type { GradientRule } from '../rule.ts';

export const learnedFakeQuant: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node }) => {
    const [x, scale] = node.inputs as [string, string];
    const [y, ratio] = node.outputs as [string, string];
    const rounded = b.emit('Round', [emitQuotient(b, x, scale, roundingOf(node), [ratio])]);
    const clipped = b.emit('Clip', [rounded, b.scalar(intOf(node, 'qmin', 0)), b.scalar(intOf(node, 'qmax', 0))]);
    b.emit('Mul', [clipped, scale], {}, { outputs: [y] });
  },
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const ratio = node.outputs[1] as string;
    const [qmin, qmax] = [b.scalar(intOf(node, 'qmin', 0)), b.scalar(intOf(node, 'qmax', 0))];
    const inside = b.emit('And', [b.emit('GreaterOrEqual', [ratio, qmin]), b.emit('LessOrEqual', [ratio, qmax])]);
    const dx = b.emit('Mul', [dy, b.emit('Cast', [inside], { to: int(1) })]);
    if (wanted[1] !== true) return [dx];
    const bound = b.emit('Clip', [ratio, qmin, qmax]);
    const slope = b.emit('Where', [inside, b.emit('Sub', [b.emit('Round', [ratio]), ratio]), bound]);
    const [from, to] = [shapeOf(node.inputs[0] as string), shapeOf(node.inputs[1] as string)];
    const sharing = elementCount(from) / elementCount(to) / (intOf(node, 'per_sample', 0) === 1 ? (from[0] ?? 1) : 1);
    const damped = b.scalar(1 / Math.sqrt(sharing * intOf(node, 'qmax', 1)));
    return [dx, b.emit('Mul', [sumTo(b, b.emit('Mul', [dy, slope]), from, to), damped])];
  },
};

function sumTo(b: GraphBuilder, value: string, from: readonly number[], to: readonly number[]): string {
  const missing = from.length - to.length;
  const axes = from.flatMap((size, axis) => (axis < missing || (to[axis - missing] === 1 && size !== 1) ? [axis] : []));
  return axes.length === 0 ? value : b.reshape(b.reduceSum(value, axes, true), to);
}
