// Tensors as the golden files hold them: values as plain numbers.
import type { DType, Tensor } from '../../src/support/tensor.ts';

export interface GoldenTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
} as const;

export function goldenTensor({ dtype, shape, values }: GoldenTensor): Tensor {
  const data = dtype === 'int64' ? BigInt64Array.from(values.map(BigInt)) : arrays[dtype].from(values);
  return { dtype, shape, data };
}
