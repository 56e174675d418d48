// A dense, row-major tensor in memory. Shapes are in elements, outermost dimension first.

export type TensorData =
  Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | BigInt64Array;

export type DType = 'float32' | 'float64' | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'int64';

/** The array that holds values of each type. */
export const arrayOf = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
} as const satisfies { readonly [type in DType]: unknown };

export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export interface FloatTensor extends Tensor {
  readonly dtype: 'float32';
  readonly data: Float32Array;
}

/** 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** @throws Error when the shape does not hold the data. */
export function floatTensor(shape: readonly number[], data: Float32Array): FloatTensor {
  if (data.length !== elementCount(shape)) {
    throw new Error(`shape [${shape.join(', ')}] does not hold ${data.length} values`);
  }
  return { dtype: 'float32', shape, data };
}

/** All zero, float32. */
export function zeros(shape: readonly number[]): FloatTensor {
  return floatTensor(shape, new Float32Array(elementCount(shape)));
}

/** The bytes of a tensor's values, little-endian, without a copy. */
export function tensorBytes(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Values over bytes: a view where they are aligned, a copy otherwise. */
export function viewValues(dtype: DType, bytes: Uint8Array): TensorData {
  const array = arrayOf[dtype];
  // Not `bytes.slice()`: a Buffer's slice is no copy.
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / array.BYTES_PER_ELEMENT);
}
