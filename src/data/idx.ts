// IDX files (the format of MNIST and Fashion-MNIST), plain or gzipped, unsigned bytes only.
// Format: http://yann.lecun.com/exdb/mnist (two zero bytes, type, rank, sizes as big-endian 32 bit, values).
import { gunzipSync } from 'node:zlib';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';

export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const unsignedByte = 0x08;

/** An error is a phrase that continues the file's name. */
export function decodeIdx(bytes: Uint8Array): Result<IdxArray, string> {
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) return err('is not an IDX file');
  if (bytes[2] !== unsignedByte) return err(`holds IDX element type ${bytes[2]}; only unsigned bytes (8) are read`);
  const rank = bytes[3] as number;
  const start = 4 + 4 * rank;
  if (rank === 0 || bytes.length < start) return err('ends inside its IDX header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const needed = shape.reduce((product, size) => product * size, 1);
  if (bytes.length - start !== needed) {
    return err(`holds ${bytes.length - start} values, but its header says [${shape.join(', ')}]`);
  }
  return ok({ shape, data: bytes.subarray(start) });
}

/** Uncompresses when the bytes are gzipped; never to more than `mostBytes`, so that a small file cannot fill the memory. */
export function maybeGunzip(bytes: Uint8Array, mostBytes: number): Result<Uint8Array, string> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return ok(bytes);
  try {
    return ok(gunzipSync(bytes, { maxOutputLength: mostBytes }));
  } catch (cause) {
    return err(`cannot be uncompressed: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}
