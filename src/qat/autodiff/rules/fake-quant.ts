// `headgate.FakeQuant(x, scale)` with attributes qmin, qmax and rounding: clip(round(x / scale), qmin, qmax) · scale, zero
// point 0, round half to even; rounding 'divide' (ONNX's, the default) or 'inverse-multiply' (PyTorch's, x · (1 / scale)).
// Not QuantizeLinear/DequantizeLinear: at default optimisation the runtime would fuse those into integer kernels.
// Straight-through gradient with PyTorch's mask: dY where round(x / scale) lies inside [qmin, qmax], else 0; the scale gets
// no gradient. With the attribute `inclusive` = 1 one step further on both sides: the weight that made a channel's scale
// stands at qmax + ½ steps, and goes on learning.
import { int, intOf } from '../../onnx/ir.ts';
import { emitSteps, roundingOf } from '../../quantize/steps.ts';
import type { GradientRule } from '../rule.ts';

export const fakeQuant: GradientRule = {
  kind: 'gradient',
  lower: ({ b, node }) => {
    const [x, scale] = node.inputs as [string, string];
    const [y, steps] = node.outputs as [string, string];
    emitSteps(b, x, scale, roundingOf(node), [steps]);
    const clipped = b.emit('Clip', [steps, b.scalar(intOf(node, 'qmin', 0)), b.scalar(intOf(node, 'qmax', 0))]);
    b.emit('Mul', [clipped, scale], {}, { outputs: [y] });
  },
  backward: ({ b, node, upstream: [dy] }) => {
    if (dy === undefined) return [];
    const steps = node.outputs[1] as string;
    const margin = intOf(node, 'inclusive', 0);
    const [low, high] = [intOf(node, 'qmin', 0) - margin, intOf(node, 'qmax', 0) + margin];
    const clipped = b.emit('Clip', [steps, b.scalar(low), b.scalar(high)]);
    const inside = b.emit('Cast', [b.emit('Equal', [steps, clipped])], { to: int(1) });
    return [b.emit('Mul', [dy, inside])];
  },
};
