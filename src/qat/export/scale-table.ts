// The table of scales as CSV, one row per scale, for spreadsheets and for compilers that ask for nothing else.
import type { IrDType } from '../onnx/ir.ts';
import type { ScaleRow } from './qdq.ts';

/** Columns: tensor, kind, scope, dtype, channel (empty for a tensor's only scale), scale in the shortest exact digits. */
export function scalesCsv(rows: readonly ScaleRow[]): string {
  const lines = rows.flatMap(({ tensor, kind, scope, dtype, scale }) =>
    scale.map((value, channel) =>
      [quoted(tensor), kind, quoted(scope), dtype, kind === 'weight' ? channel : '', value].join(','),
    ),
  );
  return `${['tensor,kind,scope,dtype,channel,scale', ...lines].join('\r\n')}\r\n`;
}

/** As RFC 4180 has it. */
function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Of `int8`, `uint4`, … */
export function integerBits(dtype: IrDType): { readonly bits: number; readonly signed: boolean } {
  return { bits: Number(/\d+$/.exec(dtype)?.[0] ?? 8), signed: !dtype.startsWith('u') };
}
