// How a layer's weight tensor lies: which axis holds the channels that scales are kept for, and which output channel of the
// layer an element works for. Conv [O, I/group, k…]; ConvTranspose [I, O/group, k…]; Gemm [I, O] or, with transB, [O, I];
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
  /** Index into the scales of a flat weight index. */
  scaleOf(index: number): number;
  /** Output channel of a flat weight index. */
  outputOf(index: number): number;
}

/** @param shape of the weight. */
export function weightLayout(node: IrNode, shape: readonly number[]): WeightLayout {
  const axis = channelAxis(node);
  const scales = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const scaleOf = (index: number): number => Math.floor(index / inner) % scales;
  const group = node.op === 'ConvTranspose' ? intOf(node, 'group', 1) : 1;
  if (group === 1) return { axis, scales, outputs: scales, scaleOf, outputOf: scaleOf };
  const perGroup = (shape[0] as number) / group;
  const outputOf = (index: number): number =>
    Math.floor(Math.floor(index / (inner * scales)) / perGroup) * scales + scaleOf(index);
  return { axis, scales, outputs: scales * group, scaleOf, outputOf };
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

/** Shape that lets a vector over output channels broadcast against the layer's output. */
export function channelColumn(node: IrNode, weightRank: number, channels: number): readonly number[] {
  return outputChannelAxis(node) === -1 ? [channels] : [channels, ...Array.from({ length: weightRank - 2 }, () => 1)];
}
