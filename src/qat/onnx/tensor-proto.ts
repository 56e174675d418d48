// TensorProto ↔ IrTensor: raw little-endian bytes on write, every legal spelling on read, lengths checked.
import { arrayOf, elementCount, tensorBytes } from '../../support/tensor.ts';
import type { TensorData } from '../../support/tensor.ts';
import type { IrDType, IrTensor } from './ir.ts';
import { dataTypeNumbers } from './proto.ts';

export interface TensorProto {
  name: string;
  dims: bigint[];
  dataType: number;
  rawData?: Uint8Array;
  floatData?: number[];
  int32Data?: number[];
  int64Data?: bigint[];
  doubleData?: number[];
  externalData?: unknown[];
  dataLocation?: number;
}

const arrays = {
  ...arrayOf,
  bool: Uint8Array,
  float16: Uint16Array,
  int4: Int8Array,
  uint4: Uint8Array,
} as const satisfies Record<IrDType, unknown>;

const MAX_ELEMENTS = 2 ** 31;

/** @returns the tensor, or what is wrong with it. */
export function unpackTensor(proto: TensorProto): IrTensor | string {
  const dtype = (Object.keys(dataTypeNumbers) as IrDType[]).find((name) => dataTypeNumbers[name] === proto.dataType);
  if (dtype === undefined) return `has element type ${proto.dataType}, which is not supported`;
  const shape = proto.dims.map(Number);
  const count = elementCount(shape);
  if (shape.some((size) => size < 0) || !(count <= MAX_ELEMENTS)) return `has impossible shape [${shape.join(', ')}]`;
  const raw = proto.rawData;
  const data = raw !== undefined && raw.length > 0 ? fromRaw(dtype, count, raw) : fromTyped(dtype, count, proto);
  return typeof data === 'string' ? data : { dtype, shape, data };
}

/** A TensorProto as protobufjs takes it, without a name. */
export function packTensor(tensor: IrTensor): object {
  const bits4 = tensor.dtype === 'int4' || tensor.dtype === 'uint4';
  const rawData = bits4
    ? packNibbles(tensor.data)
    : tensorBytes({ dtype: 'uint8', shape: tensor.shape, data: tensor.data });
  return { dims: tensor.shape, dataType: dataTypeNumbers[tensor.dtype], rawData };
}

function fromRaw(dtype: IrDType, count: number, raw: Uint8Array): TensorData | string {
  if (dtype === 'int4' || dtype === 'uint4') {
    return raw.length === Math.ceil(count / 2)
      ? unpackNibbles(dtype, count, raw)
      : `holds ${raw.length} bytes for ${count} 4-bit values`;
  }
  const array = arrays[dtype];
  if (raw.length !== count * array.BYTES_PER_ELEMENT)
    return `holds ${raw.length} bytes for ${count} values of ${dtype}`;
  // A new array, not slice(): a Buffer's slice shares memory, and offsets may be unaligned.
  return new array(new Uint8Array(raw).buffer, 0, count);
}

function fromTyped(dtype: IrDType, count: number, proto: TensorProto): TensorData | string {
  // Here, too, 4-bit values come two per entry.
  if (dtype === 'int4' || dtype === 'uint4') return fromRaw(dtype, count, Uint8Array.from(proto.int32Data ?? []));
  const found =
    dtype === 'float32'
      ? proto.floatData
      : dtype === 'float64'
        ? proto.doubleData
        : dtype === 'int64'
          ? proto.int64Data
          : proto.int32Data;
  if ((found?.length ?? 0) !== count) return `holds ${found?.length ?? 0} values for ${count} elements`;
  if (dtype === 'int64') return BigInt64Array.from(proto.int64Data ?? []);
  const array = arrays[dtype];
  const result = new array(count);
  for (let index = 0; index < count; index++) result[index] = Number(found?.[index]);
  return result;
}

function packNibbles(values: TensorData): Uint8Array {
  const packed = new Uint8Array(Math.ceil(values.length / 2));
  for (let index = 0; index < values.length; index++) {
    const nibble = Number(values[index]) & 0xf;
    packed[index >> 1] = (packed[index >> 1] as number) | (index % 2 === 0 ? nibble : nibble << 4);
  }
  return packed;
}

function unpackNibbles(dtype: 'int4' | 'uint4', count: number, packed: Uint8Array): TensorData {
  const values = dtype === 'int4' ? new Int8Array(count) : new Uint8Array(count);
  for (let index = 0; index < count; index++) {
    const byte = packed[index >> 1] as number;
    const nibble = index % 2 === 0 ? byte & 0xf : byte >> 4;
    values[index] = dtype === 'int4' && nibble > 7 ? nibble - 16 : nibble;
  }
  return values;
}
