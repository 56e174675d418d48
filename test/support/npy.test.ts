import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeNpy, encodeNpy } from '../../src/support/npy.ts';
import type { Tensor } from '../../src/support/tensor.ts';
import { goldenTensor } from '../golden/golden-tensor.ts';
import type { GoldenTensor } from '../golden/golden-tensor.ts';

interface Golden {
  readonly npy: readonly (GoldenTensor & { readonly bytes: string })[];
  readonly npyVersion2: GoldenTensor & { readonly bytes: string };
  readonly npyFortran: string;
  readonly npyBigEndian: string;
  readonly npyStructured: string;
  readonly npyBoolean: string;
}

const golden = JSON.parse(readFileSync(new URL('../golden/formats.json', import.meta.url), 'utf8')) as Golden;
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const sample: Tensor = { dtype: 'float32', shape: [2], data: Float32Array.of(1, -0) };

describe('NPY', () => {
  it.each(golden.npy)('writes $dtype of shape $shape byte for byte as numpy does', (entry) => {
    expect(Buffer.from(encodeNpy(goldenTensor(entry))).toString('hex')).toBe(entry.bytes);
  });

  it.each(golden.npy)('reads $dtype of shape $shape as numpy wrote it', (entry) => {
    expect(decodeNpy(fromHex(entry.bytes))).toEqual({ ok: true, value: goldenTensor(entry) });
  });

  it('reads version 2.0', () => {
    expect(decodeNpy(fromHex(golden.npyVersion2.bytes))).toEqual({ ok: true, value: goldenTensor(golden.npyVersion2) });
  });

  it('keeps negative zero and shares the bytes when they are aligned', () => {
    const bytes = encodeNpy(sample);
    const read = decodeNpy(bytes);
    expect(read.ok && Object.is(read.value.data[1], -0)).toBe(true);
    expect(read.ok && read.value.data.buffer).toBe(bytes.buffer);
  });

  it('reads from an odd offset by copying', () => {
    const bytes = encodeNpy(sample);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(decodeNpy(shifted.subarray(3))).toEqual({ ok: true, value: sample });
    expect(decodeNpy(Buffer.from(shifted.buffer, 3))).toEqual({ ok: true, value: sample });
  });

  it.each([
    ['Fortran order', fromHex(golden.npyFortran), /Fortran order/],
    ['big-endian values', fromHex(golden.npyBigEndian), /element type '>i4'/],
    ['structured values', fromHex(golden.npyStructured), /numpy does not write|structured/],
    ['booleans', fromHex(golden.npyBoolean), /element type '\|b1'/],
    ['an empty file', new Uint8Array(0), /is not an NPY file/],
    ['another format', Buffer.from('PK\u0003\u0004 and so on'), /is not an NPY file/],
    ['a file cut in its header', encodeNpy(sample).subarray(0, 40), /ends inside its header/],
    ['a file cut in its values', encodeNpy(sample).subarray(0, -1), /holds 7 bytes of values/],
    ['bytes after the values', Buffer.concat([encodeNpy(sample), Uint8Array.of(0)]), /holds 9 bytes of values/],
  ])('refuses %s', (_what, bytes, words) => {
    const read = decodeNpy(bytes);
    expect(read.ok ? 'was read' : read.error).toMatch(words);
  });

  it('refuses a shape whose size overflows instead of allocating it', () => {
    const text = Buffer.from(encodeNpy(sample))
      .toString('latin1')
      .replace("'shape': (2,)", "'shape': (99999999999999, 99999999999999)");
    const bytes = Buffer.from(text, 'latin1');
    bytes.writeUInt16LE(bytes.length - 8 - 10, 8);
    const read = decodeNpy(bytes);
    expect(read.ok ? 'was read' : read.error).toMatch(/bytes of values/);
  });

  it('never throws and never reads past the end, whatever one byte is changed to', () => {
    const bytes = encodeNpy(sample);
    for (let index = 0; index < bytes.length; index++) {
      for (const value of [0, 0x28, 0x39, 0xff]) {
        const damaged = bytes.slice();
        damaged[index] = value;
        const read = decodeNpy(damaged);
        if (read.ok) expect(read.value.data.byteLength).toBeLessThanOrEqual(8);
      }
    }
  });
});
