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

const CHUNK_BYTES = 1 << 19;
/** Up to here a file is read at once: the way through the thread pool would take longer than the reading. */
const SMALL_BYTES = 1 << 16;
/** Chunks that are read while one is hashed: with one alone hashing would wait for each to come through the event loop. */
const AHEAD = 3;
const read = promisify(readCallback);
/** Buffers to read into, kept, since half a megabyte for every small file keeps the collector busy. */
const idleBuffers: Buffer[] = [];

/** SHA-256 of the content. A pipe that nobody writes to counts as empty instead of holding everything up. */
export async function digestFile(path: string): Promise<Digest> {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const hash = createHash('sha256');
  try {
    const { size } = fstatSync(file);
    if (size > SMALL_BYTES) await hashAhead(file, size, hash);
    else hashNow(file, hash);
    return hash.digest('hex') as Digest;
  } finally {
    closeSync(file);
  }
}

function hashNow(file: number, hash: Hash): void {
  const buffer = takeBuffer();
  try {
    for (let count; (count = readSync(file, buffer, 0, CHUNK_BYTES, null)) > 0;) hash.update(buffer.subarray(0, count));
  } finally {
    idleBuffers.push(buffer);
  }
}

interface Chunk {
  readonly buffer: Buffer;
  readonly count: Promise<number>;
}

/** @param size what is expected; all there is is read. */
async function hashAhead(file: number, size: number, hash: Hash): Promise<void> {
  let position = 0;
  const readNext = (buffer: Buffer): Chunk => {
    const count = readWhole(file, buffer, position);
    count.catch(() => undefined); // told when its turn comes
    position += CHUNK_BYTES;
    return { buffer, count };
  };
  const queue = Array.from({ length: Math.min(AHEAD, Math.ceil(size / CHUNK_BYTES)) }, () => readNext(takeBuffer()));
  let free = takeBuffer();
  try {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const count = await next.count;
      if (count === CHUNK_BYTES) queue.push(readNext(free));
      else idleBuffers.push(free);
      hash.update(next.buffer.subarray(0, count));
      free = next.buffer;
      if (count < CHUNK_BYTES) break;
    }
  } finally {
    // Nothing may be read into a buffer that another file is using, nor from a file that is closed.
    await Promise.allSettled(queue.map(({ count }) => count));
    idleBuffers.push(free, ...queue.map(({ buffer }) => buffer));
  }
}

/** Less than a whole chunk only at the end of the file: a file system may give less at once. */
async function readWhole(file: number, buffer: Buffer, position: number): Promise<number> {
  let count = 0;
  while (count < CHUNK_BYTES) {
    const { bytesRead } = await read(file, buffer, count, CHUNK_BYTES - count, position + count);
    if (bytesRead === 0) break;
    count += bytesRead;
  }
  return count;
}

function takeBuffer(): Buffer {
  return idleBuffers.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
}

export function isDigest(text: string): text is Digest {
  return /^[0-9a-f]{64}$/.test(text);
}
