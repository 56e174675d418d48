import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeIdx, maybeGunzip } from '../../src/data/idx.ts';

const idx = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6);

describe('IDX', () => {
  it('gives the sizes and the bytes', () => {
    expect(decodeIdx(idx)).toEqual({ ok: true, value: { shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) } });
  });

  it.each([
    ['something else', Uint8Array.of(0x89, 0x50, 0x4e, 0x47), 'is not an IDX file'],
    ['an empty file', new Uint8Array(0), 'is not an IDX file'],
    ['floats', Uint8Array.of(0, 0, 0x0d, 1, 0, 0, 0, 0), 'element type 13'],
    ['a cut header', idx.subarray(0, 10), 'ends inside its IDX header'],
    ['cut values', idx.subarray(0, 17), 'holds 5 values, but its header says [2, 3]'],
    ['absurd sizes', Uint8Array.of(0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255), 'holds 0 values'],
  ])('refuses %s', (_what, bytes, words) => {
    const read = decodeIdx(bytes);
    expect(read.ok ? 'was read' : read.error).toContain(words);
  });

  it('is uncompressed when it is gzipped, and never to more than asked for', () => {
    const bytes = new Uint8Array(1000);
    expect(maybeGunzip(idx, 10)).toEqual({ ok: true, value: idx });
    const read = maybeGunzip(gzipSync(bytes), 1000);
    expect(read.ok && read.value.length).toBe(1000);
    expect(maybeGunzip(gzipSync(bytes), 999).ok).toBe(false);
    expect(maybeGunzip(gzipSync(bytes).subarray(0, 15), 1000).ok).toBe(false);
  });
});
