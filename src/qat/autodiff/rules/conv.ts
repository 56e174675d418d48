// Convolution over one or two spatial axes, NCHW. y[n,o] = Σ x[n,i] ⋆ w[o,i] (+ bias). Three gradients, each with the
// cheapest lowering measured on CPU for its case: pointwise as one batched product, depthwise by shifted products (stride 1)
// or a grouped convolution over batch·channels (stride 2), the general case by shifted products, one batched matrix product
// per kernel tap, or one for all taps where their columns are small.
import { int, ints, intOf } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import type { IrNode } from '../../onnx/ir.ts';
import { GradientError } from '../rule.ts';
import type { GradientRule } from '../rule.ts';
import { channelSum } from './batch-norm.ts';
import { windowAxes } from './window.ts';
import type { WindowAxis } from './window.ts';

/**
 * Up to here all taps' shifted inputs are copied side by side: one product in place of k², and a graph of fewer nodes loads
 * faster. Beyond, products per tap need 1/k² of the memory. Bits are the same.
 */
const SMALL_COLUMN_BYTES = 2 ** 20;

export interface ConvGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly group: number;
  readonly inSize: readonly [number, number];
  readonly outSize: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
}

export const conv: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [x, w] = node.inputs as [string, string];
    const shapes = { x: shapeOf(x), w: shapeOf(w), y: shapeOf(node.outputs[0] as string) };
    const geometry = convGeometry(node, shapes);
    const sheet = sheets(b, shapes.x.length);
    return [
      wanted[0] === true
        ? sheet.back(inputGradient(b, sheet.of(dy, shapes.y), sheet.of(w, shapes.w), geometry), shapes.x)
        : undefined,
      wanted[1] === true
        ? sheet.back(weightGradient(b, sheet.of(x, shapes.x), sheet.of(dy, shapes.y), geometry), shapes.w)
        : undefined,
      wanted[2] === true ? channelSum(b, dy, shapes.y.length) : undefined,
    ];
  },
};

/** A signal [N, C, L] is an image one pixel high; images are themselves. */
export function sheets(b: GraphBuilder, rank: number) {
  const flat = (shape: readonly number[]): readonly number[] => [...shape.slice(0, 2), 1, ...shape.slice(2)];
  return {
    of: (value: string, shape: readonly number[]): string => (rank === 3 ? b.reshape(value, flat(shape)) : value),
    back: (value: string, shape: readonly number[]): string => (rank === 3 ? b.reshape(value, shape) : value),
  };
}

/** Of a convolution node over one or two spatial axes, from its shapes. @throws GradientError on three. */
export function convGeometry(
  node: IrNode,
  { x, w, y }: { readonly x: readonly number[]; readonly w: readonly number[]; readonly y: readonly number[] },
): ConvGeometry {
  if (x.length !== 4 && x.length !== 3)
    throw new GradientError(node, `${x.length - 2} spatial axes have no gradient, only one or two`);
  const axes = windowAxes(node, w.slice(2), x.slice(2), y.slice(2));
  const pair = (read: (axis: WindowAxis) => number, missing: number): [number, number] => {
    const [first, second] = axes.map(read) as [number, number | undefined];
    return second === undefined ? [missing, first] : [first, second];
  };
  const [before, after] = [pair((axis) => axis.before, 0), pair((axis) => axis.after, 0)];
  return {
    batch: x[0] as number,
    inChannels: x[1] as number,
    outChannels: w[0] as number,
    group: intOf(node, 'group', 1),
    inSize: pair((axis) => axis.input, 1),
    outSize: pair((axis) => axis.output, 1),
    kernel: pair((axis) => axis.kernel, 1),
    stride: pair((axis) => axis.stride, 1),
    dilation: pair((axis) => axis.dilation, 1),
    pads: [before[0], before[1], after[0], after[1]],
  };
}

function inputGradient(b: GraphBuilder, dy: string, w: string, g: ConvGeometry): string {
  const unit = g.stride[0] === 1 && g.stride[1] === 1;
  if (unit && g.kernel[0] === 1 && g.kernel[1] === 1 && g.group === 1 && g.pads.every((pad) => pad === 0)) {
    return b.emit('Conv', [dy, b.emit('Transpose', [w], { perm: ints([1, 0, 2, 3]) })], { kernel_shape: ints([1, 1]) });
  }
  const depthwise = g.group === g.inChannels && g.group === g.outChannels;
  if (unit && (depthwise || g.group === 1)) {
    const flipped = b.emit('Slice', [
      w,
      b.int64([-1, -1]),
      b.int64([-4096, -4096]),
      b.int64([2, 3]),
      b.int64([-1, -1]),
    ]);
    const kernel = depthwise ? flipped : b.emit('Transpose', [flipped], { perm: ints([1, 0, 2, 3]) });
    const reach = g.kernel.map((size, axis) => (size - 1) * (g.dilation[axis] as number)) as [number, number];
    const pads = g.pads.map((pad, side) => (reach[side % 2] as number) - pad);
    if (pads.every((pad) => pad >= 0)) {
      return b.emit('Conv', [dy, kernel], {
        kernel_shape: ints(g.kernel),
        pads: ints(pads),
        dilations: ints(g.dilation),
        group: int(g.group),
      });
    }
  }
  const outputPadding = [0, 1].map((axis) => {
    const reach = (g.dilation[axis] as number) * ((g.kernel[axis] as number) - 1) + 1;
    const padded = (g.inSize[axis] as number) + (g.pads[axis] as number) + (g.pads[axis + 2] as number);
    return padded - reach - ((g.outSize[axis] as number) - 1) * (g.stride[axis] as number);
  });
  return b.emit('ConvTranspose', [dy, w], {
    kernel_shape: ints(g.kernel),
    pads: ints(g.pads),
    strides: ints(g.stride),
    dilations: ints(g.dilation),
    output_padding: ints(outputPadding),
    group: int(g.group),
  });
}

/** [O, I/group, kH, kW] */
export function weightGradient(b: GraphBuilder, x: string, dy: string, g: ConvGeometry): string {
  const depthwise = g.group === g.inChannels && g.group === g.outChannels;
  const columnBytes = 4 * g.batch * g.inChannels * g.kernel[0] * g.kernel[1] * g.outSize[0] * g.outSize[1];
  if (g.group === 1 && g.kernel[0] * g.kernel[1] > 1 && columnBytes <= SMALL_COLUMN_BYTES)
    return byColumns(b, x, dy, g);
  if (depthwise && g.stride[0] > 1 && g.dilation[0] === 1 && g.dilation[1] === 1)
    return depthwiseByGroupedConv(b, x, dy, g);
  return byShiftedProducts(b, x, dy, g, depthwise);
}

/** Batch and channels become groups; dY, dilated by the stride, slides over X and leaves the k × k sums. */
function depthwiseByGroupedConv(b: GraphBuilder, x: string, dy: string, g: ConvGeometry): string {
  const groups = g.batch * g.inChannels;
  const padEnd = [0, 1].map((axis) => {
    // Rows of x that the window reaches beyond the last full stride are cut off by a smaller (or negative) end pad.
    const reach = ((g.outSize[axis] as number) - 1) * (g.stride[axis] as number) + 1;
    return reach + (g.kernel[axis] as number) - 1 - (g.inSize[axis] as number) - (g.pads[axis] as number);
  });
  const begin = [g.pads[0], g.pads[1]];
  const cut = padEnd.some((pad) => pad < 0);
  const source = cut
    ? b.emit('Pad', [
        x,
        b.int64([0, 0, 0, 0, 0, 0, Math.min(0, padEnd[0] as number), Math.min(0, padEnd[1] as number)]),
      ])
    : x;
  const size = g.inSize.map((n, axis) => n + Math.min(0, padEnd[axis] as number));
  const sums = b.emit('Conv', [b.reshape(source, [1, groups, ...size]), b.reshape(dy, [groups, 1, ...g.outSize])], {
    kernel_shape: ints(g.outSize),
    pads: ints([...begin, ...padEnd.map((pad) => Math.max(0, pad))]),
    dilations: ints(g.stride),
    group: int(groups),
  });
  const perImage = b.reshape(sums, [g.batch, g.inChannels * g.kernel[0] * g.kernel[1]]);
  return b.reshape(b.reduceSum(perImage, [0], false), [g.outChannels, 1, ...g.kernel]);
}

/** One product of dY with the shifted inputs of all kernel taps side by side. */
function byColumns(b: GraphBuilder, x: string, dy: string, g: ConvGeometry): string {
  const taps = g.kernel[0] * g.kernel[1];
  const pixels = g.outSize[0] * g.outSize[1];
  const shifted = windows(b, x, g);
  const columns = b.reshape(b.emit('Concat', shifted, { axis: int(1) }), [g.batch, taps, g.inChannels, pixels]);
  const rows = b.reshape(dy, [g.batch, 1, g.outChannels, pixels]);
  const products = b.emit('FusedMatMul', [rows, columns], { transB: int(1) }, { domain: 'com.microsoft' });
  const perTap = b.reduceSum(products, [0], false);
  const last = b.emit('Transpose', [perTap], { perm: ints([1, 2, 0]) });
  return b.reshape(last, [g.outChannels, g.inChannels, ...g.kernel]);
}

function byShiftedProducts(b: GraphBuilder, x: string, dy: string, g: ConvGeometry, depthwise: boolean): string {
  const pixels = g.outSize[0] * g.outSize[1];
  const perGroupIn = g.inChannels / g.group;
  const perGroupOut = g.outChannels / g.group;
  const rows = depthwise ? dy : b.reshape(dy, [g.batch * g.group, perGroupOut, pixels]);
  const taps: string[] = [];
  for (const shifted of windows(b, x, g)) {
    if (depthwise) {
      taps.push(b.reduceSum(b.emit('Mul', [shifted, rows]), [0, 2, 3], false));
      continue;
    }
    const columns = b.reshape(shifted, [g.batch * g.group, perGroupIn, pixels]);
    const products = b.emit('FusedMatMul', [rows, columns], { transB: int(1) }, { domain: 'com.microsoft' });
    const perImage = g.group === 1 ? products : b.reshape(products, [g.batch, g.outChannels, perGroupIn]);
    taps.push(b.reduceSum(perImage, [0], false));
  }
  const shape = [g.outChannels, perGroupIn, ...g.kernel];
  if (taps.length === 1) return b.reshape(taps[0] as string, shape);
  const values = g.outChannels * perGroupIn;
  const all = b.reshape(b.emit('Concat', taps, { axis: int(0) }), [taps.length, values]);
  return b.reshape(b.emit('Transpose', [all], { perm: ints([1, 0]) }), shape);
}

/** For every kernel tap the input pixels that it meets, one per output pixel. */
function windows(b: GraphBuilder, x: string, g: ConvGeometry): readonly string[] {
  const padded = g.pads.every((pad) => pad === 0)
    ? x
    : b.emit('Pad', [x, b.int64([0, 0, g.pads[0], g.pads[1], 0, 0, g.pads[2], g.pads[3]])]);
  const [rows, columns] = g.kernel;
  return Array.from({ length: rows * columns }, (_, tap) =>
    window(b, padded, Math.floor(tap / columns), tap % columns, g),
  );
}

/** The input pixels that kernel tap (i, j) meets. */
function window(b: GraphBuilder, padded: string, i: number, j: number, g: ConvGeometry): string {
  if (g.kernel[0] === 1 && g.kernel[1] === 1 && g.stride[0] === 1 && g.stride[1] === 1) return padded;
  const start = [i * g.dilation[0], j * g.dilation[1]] as const;
  const end = [start[0] + (g.outSize[0] - 1) * g.stride[0] + 1, start[1] + (g.outSize[1] - 1) * g.stride[1] + 1];
  return b.emit('Slice', [padded, b.int64(start), b.int64(end), b.int64([2, 3]), b.int64(g.stride)]);
}
