// Where the windows of convolutions and pools lie: kernel, stride, dilation and pads per spatial axis, from a node and
// the sizes of its input and output. auto_pad is resolved here; shapes are known, so nothing is computed twice.
import { intsOf, textOf } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';

export interface WindowAxis {
  readonly input: number;
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Of a convolution or pool: `input` is what windows slide over, `output` has one value per window. */
export function windowAxes(
  node: IrNode,
  kernel: readonly number[],
  input: readonly number[],
  output: readonly number[],
): readonly WindowAxis[] {
  const strides = intsOf(node, 'strides', []);
  const dilations = intsOf(node, 'dilations', []);
  const pads = intsOf(node, 'pads', []);
  return kernel.map((size, axis) => {
    const parts = {
      input: input[axis] as number,
      output: output[axis] as number,
      kernel: size,
      stride: strides[axis] ?? 1,
      dilation: dilations[axis] ?? 1,
    };
    const [before, after] = automaticPads(node, windowReach(parts) - parts.input) ?? [
      pads[axis] ?? 0,
      pads[axis + kernel.length] ?? 0,
    ];
    return { ...parts, before, after };
  });
}

/** From the first element of the first window to the last of the last one. */
export function windowReach(axis: Pick<WindowAxis, 'output' | 'kernel' | 'stride' | 'dilation'>): number {
  return (axis.output - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
}

/** Undefined where pads are explicit. */
function automaticPads(node: IrNode, missing: number): readonly [before: number, after: number] | undefined {
  const total = Math.max(0, missing);
  switch (textOf(node, 'auto_pad', 'NOTSET')) {
    case 'SAME_UPPER':
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    case 'SAME_LOWER':
      return [Math.ceil(total / 2), Math.floor(total / 2)];
    case 'VALID':
      return [0, 0];
    default:
      return undefined;
  }
}
