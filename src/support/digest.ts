// SHA-256 digests of bytes, files and canonical JSON, as lower-case hex.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
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

/** SHA-256 of the content, read as a stream. */
export async function digestFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest('hex') as Digest;
}

export function isDigest(text: string): text is Digest {
  return /^[0-9a-f]{64}$/.test(text);
}
