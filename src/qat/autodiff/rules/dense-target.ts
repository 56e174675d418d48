// What a loss compares class scores with, as one value per score: a target of the same shape as it is, or class numbers as
// one-hot vectors, where those with the value `ignore` do not count.
import { int, intOf } from '../../onnx/ir.ts';
import type { IrNode } from '../../onnx/ir.ts';
import type { GraphBuilder } from '../../onnx/builder.ts';
import { elementCount } from '../../../support/tensor.ts';

export interface DenseTarget {
  /** Like the scores, [N, C, …]. */
  readonly target: string;
  /** 1 where a score counts, [N, 1, …]; undefined where all do. */
  readonly valid: string | undefined;
  /** What the sum over scores is divided by, a scalar: how many count, at least 1; or the sum of the targets' squares. */
  readonly count: string;
}

/** The smallest normal float32: a target of zeros alone divides by nothing. */
const SMALLEST = 2 ** -126;

/** The second input of `node`: class numbers, int32 [N, …], where its attribute `labels` is 1. */
export function denseTarget(b: GraphBuilder, node: IrNode, scores: readonly number[]): DenseTarget {
  const target = node.inputs[1] as string;
  if (intOf(node, 'normalised', 0) === 1) {
    const energy = b.emit('ReduceSumSquare', [target], { keepdims: int(0) });
    return { target, valid: undefined, count: b.emit('Max', [energy, b.scalar(SMALLEST)]) };
  }
  if (intOf(node, 'labels', 0) !== 1) return { target, valid: undefined, count: b.scalar(elementCount(scores)) };
  const { oneHot, valid } = oneHotTarget(b, target, scores, intOf(node, 'ignore', 255));
  const pixels = b.emit('ReduceSum', [valid], { keepdims: int(0) });
  const count = b.emit('Max', [b.emit('Mul', [pixels, b.scalar(scores[1] as number)]), b.scalar(1)]);
  return { target: oneHot, valid, count };
}

/** Class numbers, int32 [N, …] → [N, C, …] and which count, [N, 1, …]. */
export function oneHotTarget(
  b: GraphBuilder,
  target: string,
  [n, classes, ...rest]: readonly number[],
  ignore: number,
): { readonly oneHot: string; readonly valid: string } {
  const labels = b.reshape(target, [n as number, 1, ...rest]);
  const ids = b.constant({
    dtype: 'int32',
    shape: [1, classes as number, ...rest.map(() => 1)],
    data: Int32Array.from({ length: classes as number }, (_, id) => id),
  });
  const ignored = b.constant({ dtype: 'int32', shape: [], data: Int32Array.of(ignore) });
  return {
    oneHot: b.emit('Cast', [b.emit('Equal', [labels, ids])], { to: int(1) }),
    valid: b.emit('Cast', [b.emit('Not', [b.emit('Equal', [labels, ignored])])], { to: int(1) }),
  };
}

/** One value per class, shaped to stand beside scores [N, C, …]; a single value serves all classes. */
export function perClass(b: GraphBuilder, values: readonly number[], scores: readonly number[]): string {
  if (values.length === 1) return b.scalar(values[0] as number);
  return b.floats(values, [1, values.length, ...scores.slice(2).map(() => 1)]);
}
