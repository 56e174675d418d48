// The table of scales as an encodings file in the form of AIMET, which QNN's converter reads (--quantization_overrides).
// 0.6.1: tensor name → list of encodings, truth values as the words "True" and "False". 1.0.0: a list of encodings, each with
// its name. A real value is (step + offset)·scale with steps from 0, so int8 without zero point has the offset −128.
import { integerBits } from './scale-table.ts';
import type { ScaleRow } from './qdq.ts';

export const encodingVersions = ['0.6.1', '1.0.0'] as const;
export type EncodingVersion = (typeof encodingVersions)[number];

type Plain = { readonly [key: string]: string | number | boolean | readonly number[] };
export type Encodings = { readonly [key: string]: unknown };

export function encodingsOf(rows: readonly ScaleRow[], version: EncodingVersion): Encodings {
  const activations = rows.filter(({ kind }) => kind === 'activation');
  const weights = rows.filter(({ kind }) => kind === 'weight');
  if (version === '1.0.0')
    return { version, activation_encodings: activations.map(listed), param_encodings: weights.map(listed) };
  const table = (part: readonly ScaleRow[]): { readonly [tensor: string]: readonly Plain[] } =>
    Object.fromEntries(part.map((row) => [row.tensor, row.scale.map((scale) => encoding(row, scale))]));
  return {
    version,
    activation_encodings: table(activations),
    param_encodings: table(weights),
    quantizer_args: {
      activation_bitwidth: bitsMostUsed(activations),
      param_bitwidth: bitsMostUsed(weights),
      dtype: 'int',
      is_symmetric: 'True',
      per_channel_quantization: 'True',
      quant_scheme: 'headgate',
    },
  };
}

function encoding(row: ScaleRow, scale: number): Plain {
  const { bits, signed } = integerBits(row.dtype);
  const offset = signed ? -(2 ** (bits - 1)) : 0;
  return {
    bitwidth: bits,
    dtype: 'int',
    is_symmetric: signed ? 'True' : 'False',
    min: offset * scale,
    max: (offset + 2 ** bits - 1) * scale,
    offset,
    scale,
  };
}

function listed(row: ScaleRow): Plain {
  const { bits, signed } = integerBits(row.dtype);
  const offset = signed ? -(2 ** (bits - 1)) : 0;
  return {
    name: row.tensor,
    dtype: 'INT',
    bw: bits,
    enc_type: row.kind === 'weight' ? 'PER_CHANNEL' : 'PER_TENSOR',
    is_sym: signed,
    scale: row.scale,
    offset: row.scale.map(() => offset),
  };
}

function bitsMostUsed(rows: readonly ScaleRow[]): number {
  const counts = new Map<number, number>();
  for (const { dtype } of rows) {
    const { bits } = integerBits(dtype);
    counts.set(bits, (counts.get(bits) ?? 0) + 1);
  }
  return [...counts].sort(([, left], [, right]) => right - left)[0]?.[0] ?? 8;
}
