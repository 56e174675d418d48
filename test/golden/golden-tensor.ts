// Tensors as the golden files hold them: values as plain numbers.
import { arrayOf } from '../../src/support/tensor.ts';
import type { DType, Tensor } from '../../src/support/tensor.ts';

export interface GoldenTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

export function goldenTensor({ dtype, shape, values }: GoldenTensor): Tensor {
  const data = dtype === 'int64' ? BigInt64Array.from(values.map(BigInt)) : arrayOf[dtype].from(values);
  return { dtype, shape, data };
}
