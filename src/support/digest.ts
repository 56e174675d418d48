// SHA-256 digests of bytes, files and canonical JSON, as lower-case hex.
import { createHash, type Hash } from 'node:crypto';
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
/** Buffers to read into, kept, since a megabyte for every small file keeps the collector busy. */
const idleBuffers: Buffer[] = [];

/** SHA-256 of the content. A pipe that nobody writes to counts as empty instead of holding everything up. */
export async function digestFile(path: string): Promise<Digest> {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const hash = createHash('sha256');
  const buffer = idleBuffers.pop() ?? newBuffer();
  try {
    if (fstatSync(file).size > SMALL_BYTES) await hashAhead(file, hash, buffer);
    else {
      for (let count; (count = readSync(file, buffer, 0, CHUNK_BYTES, null)) > 0;)
        hash.update(buffer.subarray(0, count));
    }
    return hash.digest('hex') as Digest;
  } finally {
    idleBuffers.push(buffer);
    closeSync(file);
  }
}

/** The next chunk is read while this one is hashed. */
async function hashAhead(file: number, hash: Hash, first: Buffer): Promise<void> {
  let [full, free] = [first, idleBuffers.pop() ?? newBuffer()];
  const second = free;
  try {
    let { bytesRead: count } = await read(file, full, 0, CHUNK_BYTES, null);
    while (count > 0) {
      const next = read(file, free, 0, CHUNK_BYTES, null);
      hash.update(full.subarray(0, count));
      ({ bytesRead: count } = await next);
      [full, free] = [free, full];
    }
  } finally {
    idleBuffers.push(second);
  }
}

function newBuffer(): Buffer {
  return Buffer.allocUnsafeSlow(CHUNK_BYTES);
}

export function isDigest(text: string): text is Digest {
  return /^[0-9a-f]{64}$/.test(text);
}
