// A constant matrix applied along one axis of a value, as interpolation and band sums need it. Not a rule itself.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { sizeOf } from '../rule.ts';

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Row-major. */
  readonly values: Float32Array;
}

/** y[…, r, …] = Σ_c matrix[r, c] · x[…, c, …]; x has `shape` with `shape[axis]` = columns. */
export function alongAxis(
  b: GraphBuilder,
  value: string,
  shape: readonly number[],
  axis: number,
  matrix: Matrix,
): string {
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const result = shape.map((size, index) => (index === axis ? matrix.rows : size));
  if (inner === 1) {
    const turned = constantMatrix(b, transposed(matrix));
    return b.reshape(b.emit('MatMul', [b.reshape(value, [outer, matrix.columns]), turned]), result);
  }
  const sheets = b.reshape(value, [outer, matrix.columns, inner]);
  return b.reshape(b.emit('MatMul', [constantMatrix(b, matrix), sheets]), result);
}

export function transposed({ rows, columns, values }: Matrix): Matrix {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = values[row * columns + column] as number;
  return { rows: columns, columns: rows, values: turned };
}

function constantMatrix(b: GraphBuilder, { rows, columns, values }: Matrix): string {
  return b.constant({ dtype: 'float32', shape: [rows, columns], data: values }, 'matrix');
}
