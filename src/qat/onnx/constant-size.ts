// How many values a node makes of constants, told from their shapes and values before any of them is made: a file of 300 bytes
// can ask for terabytes.
import { elementCount } from '../../support/tensor.ts';
import type { IrNode, IrTensor } from './ir.ts';
import { intOf } from './ir.ts';

/** Their results have, all together, at most as many values as what they read. */
const keepsSize: ReadonlySet<string> = new Set(
  (
    'Identity Transpose Reshape Squeeze Unsqueeze Flatten Cast Concat Split Slice ReduceSum ReduceMean ReduceMax ReduceMin ' +
    'ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp ArgMax ArgMin Abs Neg Sqrt Exp Log ' +
    'Reciprocal Floor Ceil Round Sign Sin Cos Tan Tanh Sigmoid Relu LeakyRelu Elu Erf Not Clip Softmax LogSoftmax Softplus ' +
    'ScatterND ScatterElements Trilu CumSum'
  ).split(' '),
);

const MOST_DIMENSIONS = 64;

/** The most values that a node can give, by the sizes of its inputs; undefined where that depends on their shapes or values. */
export function boundFromCounts(node: IrNode, counts: readonly number[]): number | undefined {
  if (node.op === 'Shape' || node.op === 'Size') return MOST_DIMENSIONS;
  if (keepsSize.has(node.op)) return counts.reduce((sum, count) => sum + count, 0);
  return undefined;
}

/** The most values that a node can give, by its known inputs (undefined: left out). Nonsense counts as nothing: the runtime refuses it. */
export function countFromValues(node: IrNode, inputs: readonly (IrTensor | undefined)[]): number {
  const [first, second, third, fourth] = inputs;
  switch (node.op) {
    case 'ConstantOfShape':
      return elementCount(numbers(first));
    case 'Expand':
      return broadcastCount([first?.shape ?? [], numbers(second)]);
    case 'Tile':
      return countOf(first) * elementCount(numbers(second));
    case 'Range': {
      const [start = 0, limit = 0, step = 1] = [first, second, third].map((input) => numbers(input)[0]);
      return Math.max(0, Math.ceil((limit - start) / step));
    }
    case 'Pad':
      return paddedCount(first?.shape ?? [], numbers(second), fourth === undefined ? undefined : numbers(fourth));
    case 'Resize':
    case 'Upsample':
      return resizedCount(node.op, inputs);
    case 'OneHot':
      return countOf(first) * Math.max(0, numbers(second)[0] ?? 0);
    case 'Gather': {
      const shape = first?.shape ?? [];
      const axis = intOf(node, 'axis', 0);
      return elementCount(shape.with(axis < 0 ? axis : Math.min(axis, shape.length - 1), 1)) * countOf(second);
    }
    case 'MatMul':
      return multipliedCount(first?.shape ?? [], second?.shape ?? []);
    case 'Gemm':
      return (
        (first?.shape[intOf(node, 'transA', 0) === 0 ? 0 : 1] ?? 1) *
        (second?.shape[intOf(node, 'transB', 0) === 0 ? 1 : 0] ?? 1)
      );
    case 'NonZero':
      return countOf(first) * (first?.shape.length ?? 0);
  }
  if (broadcasts.has(node.op)) return broadcastCount(inputs.map((input) => input?.shape ?? []));
  return inputs.reduce((product, input) => product * Math.max(1, countOf(input)), 1);
}

const broadcasts: ReadonlySet<string> = new Set(
  'Add Sub Mul Div Pow Mod Min Max Sum Mean Where Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor PRelu'.split(
    ' ',
  ),
);

function countOf(tensor: IrTensor | undefined): number {
  return tensor === undefined ? 0 : elementCount(tensor.shape);
}

function numbers(tensor: IrTensor | undefined): readonly number[] {
  return tensor === undefined ? [] : Array.from(tensor.data, Number);
}

function broadcastCount(shapes: readonly (readonly number[])[]): number {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  let count = 1;
  for (let axis = 1; axis <= rank; axis++) {
    const sizes = shapes.map((shape) => shape.at(-axis) ?? 1);
    count *= sizes.includes(0) ? 0 : Math.max(...sizes);
  }
  return count;
}

function multipliedCount(left: readonly number[], right: readonly number[]): number {
  const rows = left.length > 1 ? (left.at(-2) ?? 1) : 1;
  const columns = right.length > 1 ? (right.at(-1) ?? 1) : 1;
  return broadcastCount([left.slice(0, -2), right.slice(0, -2)]) * rows * columns;
}

function paddedCount(
  shape: readonly number[],
  pads: readonly number[],
  axes: readonly number[] = shape.map((_, axis) => axis),
): number {
  const padded = [...shape];
  axes.forEach((named, index) => {
    const axis = named < 0 ? named + shape.length : named;
    padded[axis] = Math.max(0, (padded[axis] ?? 1) + (pads[index] ?? 0) + (pads[index + axes.length] ?? 0));
  });
  return elementCount(padded);
}

/** Scales and sizes may leave axes out (`axes`), which then keep their size. */
function resizedCount(op: string, [image, second, third, fourth]: readonly (IrTensor | undefined)[]): number {
  const shape = image?.shape ?? [];
  const sizes = numbers(fourth);
  if (sizes.length === shape.length) return elementCount(sizes);
  if (sizes.length > 0) return countOf(image) * elementCount(sizes);
  return countOf(image) * elementCount(numbers(op === 'Upsample' ? second : third));
}
