// How a layer's weight tensor lies: which axis holds the channels that scales are kept for, and which input and output channel
// of the layer an element connects. Conv [O, I/group, k…]; ConvTranspose [I, O/group, k…]; Gemm [I, O] or, with transB, [O, I];
// MatMul [I, O].
import { intOf } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';

export interface WeightLayout {
  /** Of the weight tensor; DequantizeLinear's `axis`. */
  readonly axis: number;
  /** Scales: the weight's size along `axis`. */
  readonly scales: number;
  /** Output channels: elements of the bias. More than scales for a grouped ConvTranspose, whose groups share them. */
  readonly outputs: number;
  readonly inputs: number;
  /** Elements of the kernel that connect one input channel with one output channel; 1 for Gemm and MatMul. */
  readonly taps: number;
  /** Index into the scales of a flat weight index. */
  scaleOf(index: number): number;
  /** Output channel of a flat weight index. */
  outputOf(index: number): number;
  /** Input channel of a flat weight index. */
  inputOf(index: number): number;
}

/** @param shape of the weight. */
export function weightLayout(node: IrNode, shape: readonly number[]): WeightLayout {
  const axis = channelAxis(node);
  const [rows = 1, columns = 1, ...kernel] = shape;
  const taps = kernel.reduce((product, size) => product * size, 1);
  const convolves = node.op === 'Conv' || node.op === 'ConvTranspose';
  const groups = convolves ? intOf(node, 'group', 1) : 1;
  const rowOf = (index: number): number => Math.floor(index / (columns * taps));
  // The second axis counts within a group, whose rows follow each other.
  const columnOf = (index: number): number =>
    Math.floor(rowOf(index) / (rows / groups)) * columns + (Math.floor(index / taps) % columns);
  const [outputOf, inputOf] = axis === 0 ? [rowOf, columnOf] : [columnOf, rowOf];
  const [outputs, inputs] = axis === 0 ? [rows, columns * groups] : [columns * groups, rows];
  const scales = shape[axis] ?? 1;
  return { axis, scales, outputs, inputs, taps, scaleOf: (index) => outputOf(index) % scales, outputOf, inputOf };
}

function channelAxis(node: IrNode): number {
  switch (node.op) {
    case 'Conv':
      return 0;
    case 'Gemm':
      return intOf(node, 'transB', 0) === 1 ? 0 : 1;
    default:
      return 1;
  }
}

/** The axis of the layer's output that holds its channels, counted as ONNX counts: MatMul's are last. */
export function outputChannelAxis(node: IrNode): 1 | -1 {
  return node.op === 'Conv' || node.op === 'ConvTranspose' ? 1 : -1;
}

/** Shape that lets a vector over scales broadcast against the weight. */
export function scaleShape({ axis, scales }: WeightLayout, weightRank: number): readonly number[] {
  return Array.from({ length: weightRank }, (_, index) => (index === axis ? scales : 1));
}

/** Shape that lets a vector over output channels broadcast against the layer's output. */
export function channelColumn(node: IrNode, weightRank: number, channels: number): readonly number[] {
  return outputChannelAxis(node) === -1 ? [channels] : [channels, ...Array.from({ length: weightRank - 2 }, () => 1)];
}
