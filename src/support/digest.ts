// SHA-256 digests of bytes, files and canonical JSON, as lower-case hex.
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, read as readCallback, readSync } from 'node:fs';
import { promisify } from 'node:util';
import { canonicalJson } from './canonical-json.ts';
import type { Json } from './json.ts';

/** 64 lower-case hex digits. */
export type Digest = string & { readonly __brand: 'sha256' };

/** SHA-256; text as UTF-8. */
export function digestBytes(bytes: Uint8Array | string): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest;
}

/** Digest of a tagged, versioned pre-image, so that no two kinds of thing can share a digest. */
export function digestJson(tag: string, version: number, body: Json): Digest {
  return digestBytes(canonicalJson([tag, version, body]));
}

const CHUNK_BYTES = 1 << 20;
/** Up to here a file is read at once: the way through the thread pool would take longer than the reading. */
const SMALL_BYTES = 1 << 16;
const read = promisify(readCallback);
/** Buffers to read into: one per file at a time, kept, since a megabyte for every small file keeps the collector busy. */
const idleBuffers: Buffer[] = [];

/** SHA-256 of the content. A pipe that nobody writes to counts as empty instead of holding everything up. */
export async function digestFile(path: string): Promise<Digest> {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const hash = createHash('sha256');
  const buffer = idleBuffers.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  try {
    const small = fstatSync(file).size <= SMALL_BYTES;
    for (;;) {
      const count = small
        ? readSync(file, buffer, 0, CHUNK_BYTES, null)
        : (await read(file, buffer, 0, CHUNK_BYTES, null)).bytesRead;
      if (count === 0) return hash.digest('hex') as Digest;
      hash.update(buffer.subarray(0, count));
    }
  } finally {
    idleBuffers.push(buffer);
    closeSync(file);
  }
}

export function isDigest(text: string): text is Digest {
  return /^[0-9a-f]{64}$/.test(text);
}
