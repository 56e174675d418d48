// Bytes → text: UTF-8 without a byte order mark, at most 8 MiB. Nothing of its content is judged here.
import { byteOrderMark, fileTooLarge, notUtf8 } from '../diagnostics/catalogue/source.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { sourceDocument } from '../diagnostics/source.ts';
import type { SourceDocument } from '../diagnostics/source.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';

export const maxBytes = 8 * 1024 * 1024;

/** Longest first: UTF-32's mark begins with UTF-16's. */
const marks: readonly { readonly encoding: string; readonly bytes: readonly number[] }[] = [
  { encoding: 'UTF-32', bytes: [0xff, 0xfe, 0, 0] },
  { encoding: 'UTF-8', bytes: [0xef, 0xbb, 0xbf] },
  { encoding: 'UTF-16', bytes: [0xff, 0xfe] },
  { encoding: 'UTF-16', bytes: [0xfe, 0xff] },
];

export function decodeSource(file: string, bytes: Uint8Array): Result<SourceDocument, readonly Diagnostic[]> {
  if (bytes.length > maxBytes) return err([fileTooLarge(file, bytes.length, maxBytes)]);
  const mark = marks.find((m) => m.bytes.every((byte, index) => bytes[index] === byte));
  if (mark !== undefined) return err([byteOrderMark(file, mark.encoding)]);
  try {
    return ok(sourceDocument(file, new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)));
  } catch {
    return err([notUtf8(file, firstInvalidByte(bytes))]);
  }
}

/** The longest valid prefix, found by halving: decoding with `stream` accepts a character cut at the end. */
function firstInvalidByte(bytes: Uint8Array): number {
  let valid = 0;
  let invalid = bytes.length + 1;
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, middle), { stream: true });
      valid = middle;
    } catch {
      invalid = middle;
    }
  }
  return Math.min(valid, bytes.length);
}
