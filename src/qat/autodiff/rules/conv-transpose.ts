// Transposed convolution: a convolution with the roles of its input and output exchanged, so that its input's gradient is
// a convolution of dY with the same weights, and its weights' gradient that of a convolution from dY to X.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { int, ints, intsOf, textOf } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GradientRule } from '../rule.ts';
import { channelSum } from './batch-norm.ts';
import { convGeometry, sheets, weightGradient } from './conv.ts';
import type { ConvGeometry } from './conv.ts';

export const convTranspose: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, w] = node.inputs as [string, string];
    const shapes = { x: shapeOf(x), w: shapeOf(w), y: shapeOf(node.outputs[0] as string) };
    const explicit = withExplicitPads(node, shapes.w.slice(2), shapes.x.slice(2), shapes.y.slice(2));
    const geometry = convGeometry(explicit, { x: shapes.y, w: shapes.w, y: shapes.x });
    const sheet = sheets(b, shapes.x.length);
    const [dSheet, xSheet] = [sheet.of(dy, shapes.y), sheet.of(x, shapes.x)];
    return [
      wanted[0] === true ? sheet.back(inputGradient(b, dSheet, sheet.of(w, shapes.w), geometry), shapes.x) : undefined,
      wanted[1] === true ? sheet.back(weightGradient(b, dSheet, xSheet, geometry), shapes.w) : undefined,
      wanted[2] === true ? channelSum(b, dy, shapes.y.length) : undefined,
    ];
  },
};

/** What output_shape or auto_pad leave to be worked out, as the ONNX specification of ConvTranspose does. */
function withExplicitPads(
  node: IrNode,
  kernel: readonly number[],
  input: readonly number[],
  output: readonly number[],
): IrNode {
  const mode = textOf(node, 'auto_pad', 'NOTSET');
  if (mode === 'NOTSET' && intsOf(node, 'output_shape', []).length === 0) return node;
  const begin: number[] = [];
  const end: number[] = [];
  kernel.forEach((size, axis) => {
    const stride = intsOf(node, 'strides', [])[axis] ?? 1;
    const dilation = intsOf(node, 'dilations', [])[axis] ?? 1;
    const added = intsOf(node, 'output_padding', [])[axis] ?? 0;
    const full = ((input[axis] as number) - 1) * stride + added + (size - 1) * dilation + 1;
    const total = Math.max(0, full - (output[axis] as number));
    const smaller = Math.floor(total / 2);
    begin.push(mode === 'SAME_UPPER' ? smaller : total - smaller);
    end.push(mode === 'SAME_UPPER' ? total - smaller : smaller);
  });
  const { auto_pad: _mode, output_shape: _shape, ...rest } = node.attributes;
  return { ...node, attributes: { ...rest, pads: ints([...begin, ...end]) } };
}

/** `g` is the geometry of the convolution from dY to the input's gradient. */
function inputGradient(b: GraphBuilder, dy: string, w: string, g: ConvGeometry): string {
  const after = [0, 1].map((axis) => {
    const reach =
      ((g.outSize[axis] as number) - 1) * (g.stride[axis] as number) +
      ((g.kernel[axis] as number) - 1) * (g.dilation[axis] as number) +
      1;
    return reach - (g.inSize[axis] as number) - (g.pads[axis] as number);
  }) as [number, number];
  // Rows of dY that no window reaches, left by output_padding, are cut off.
  const cut = after.map((pad) => Math.min(0, pad));
  const read = cut.some((pad) => pad < 0) ? b.emit('Pad', [dy, b.int64([0, 0, 0, 0, 0, 0, ...cut])]) : dy;
  return b.emit('Conv', [read, w], {
    kernel_shape: ints(g.kernel),
    pads: ints([g.pads[0], g.pads[1], ...after.map((pad) => Math.max(0, pad))]),
    strides: ints(g.stride),
    dilations: ints(g.dilation),
    group: int(g.group),
  });
}
