import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../src/support/safetensors.ts';
import type { SafetensorsFile } from '../../src/support/safetensors.ts';
import { goldenTensor } from '../golden/golden-tensor.ts';
import type { GoldenTensor } from '../golden/golden-tensor.ts';

interface Golden {
  readonly safetensors: {
    readonly metadata: { readonly [name: string]: string };
    readonly tensors: { readonly [name: string]: GoldenTensor };
    readonly bytes: string;
  };
}

const golden = (JSON.parse(readFileSync(new URL('../golden/formats.json', import.meta.url), 'utf8')) as Golden)
  .safetensors;
const goldenBytes = new Uint8Array(Buffer.from(golden.bytes, 'hex'));
const goldenFile: SafetensorsFile = {
  metadata: golden.metadata,
  tensors: new Map(Object.entries(golden.tensors).map(([name, tensor]) => [name, goldenTensor(tensor)])),
};

function withHeader(header: string, valueBytes: number): Uint8Array {
  const json = Buffer.from(header, 'utf8');
  const bytes = new Uint8Array(8 + json.length + valueBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const refusal = (bytes: Uint8Array): string => {
  const read = decodeSafetensors(bytes);
  return read.ok ? 'was read' : read.error;
};

describe('safetensors', () => {
  it('reads what the reference implementation wrote', () => {
    const read = decodeSafetensors(goldenBytes);
    expect(read.ok && read.value.metadata).toEqual(golden.metadata);
    expect(read.ok && new Map(read.value.tensors)).toEqual(goldenFile.tensors);
  });

  it('gives the tensors sorted by name', () => {
    const read = decodeSafetensors(goldenBytes);
    const names = read.ok ? [...read.value.tensors.keys()] : [];
    expect(names).toEqual([...names].sort());
    expect(names).toHaveLength(goldenFile.tensors.size);
  });

  it('writes equal bytes whatever order the tensors and the metadata come in', () => {
    const reversed = new Map([...goldenFile.tensors].reverse());
    const left = encodeSafetensors({ tensors: goldenFile.tensors, metadata: { a: '1', b: '2' } });
    const right = encodeSafetensors({ tensors: reversed, metadata: { b: '2', a: '1' } });
    expect(Buffer.compare(left, right)).toBe(0);
  });

  it('aligns every tensor to its elements, so that reading copies nothing', () => {
    const bytes = encodeSafetensors(goldenFile);
    const read = decodeSafetensors(bytes);
    expect(read.ok).toBe(true);
    if (!read.ok) return;
    for (const tensor of read.value.tensors.values()) expect(tensor.data.buffer).toBe(bytes.buffer);
    expect(new Map(read.value.tensors)).toEqual(goldenFile.tensors);
  });

  it('reads from an odd offset by copying', () => {
    const shifted = new Uint8Array(goldenBytes.length + 3);
    shifted.set(goldenBytes, 3);
    for (const bytes of [shifted.subarray(3), Buffer.from(shifted.buffer, 3)]) {
      const read = decodeSafetensors(bytes);
      expect(read.ok && new Map(read.value.tensors)).toEqual(goldenFile.tensors);
    }
  });

  const one = (dtype: string, shape: string, offsets: string): string =>
    `{"a":{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}}`;

  it.each([
    ['an empty file', new Uint8Array(0), /too short/],
    ['an announced header past the end', withHeader('{}', 0).subarray(0, 9), /ends inside its header/],
    ['an absurd header length', new Uint8Array(8).fill(0xff), /is not a safetensors file/],
    ['a header that is not JSON', withHeader('{"a":', 0), /not JSON/],
    ['a header that is a list', withHeader('[]', 0), /not a JSON object/],
    ['an unknown element type', withHeader(one('BF16', '[1]', '[0,2]'), 2), /"BF16"/],
    ['a negative size', withHeader(one('F32', '[-1]', '[0,4]'), 4), /unreadable shape/],
    ['a fractional size', withHeader(one('F32', '[0.5]', '[0,2]'), 2), /unreadable shape/],
    ['offsets past the end', withHeader(one('F32', '[2]', '[0,8]'), 4), /outside the file/],
    ['offsets in the wrong order', withHeader(one('F32', '[1]', '[4,0]'), 4), /outside the file/],
    ['a shape that does not match', withHeader(one('F32', '[3]', '[0,8]'), 8), /needs 12/],
    [
      'a shape whose size overflows',
      withHeader(one('F32', '[9007199254740991,9007199254740991]', '[0,4]'), 4),
      /needs/,
    ],
    ['unused bytes at the end', withHeader(one('F32', '[1]', '[0,4]'), 5), /1 unused bytes at its end/],
    ['unused bytes before a tensor', withHeader(one('F32', '[1]', '[4,8]'), 8), /4 unused bytes before/],
    ['a prototype key', withHeader('{"__proto__":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', 1), /"__proto__"/],
    ['metadata that is not strings', withHeader('{"__metadata__":{"a":1}}', 0), /metadata/],
    [
      'overlapping tensors',
      withHeader(
        '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
        3,
      ),
      /"b" overlapping/,
    ],
  ])('refuses %s', (_what, bytes, words) => {
    expect(refusal(bytes)).toMatch(words);
  });

  it('never throws, whatever one byte of the header is changed to', () => {
    const length = Number(new DataView(goldenBytes.buffer, goldenBytes.byteOffset).getBigUint64(0, true));
    for (let index = 0; index < 8 + length; index++) {
      for (const value of [0, 0x22, 0x39, 0x7d, 0xff]) {
        const damaged = goldenBytes.slice();
        damaged[index] = value;
        expect(() => decodeSafetensors(damaged)).not.toThrow();
      }
    }
  });

  it('refuses to write a tensor that does not fill its shape', () => {
    const tensors = new Map([['a', { dtype: 'float32' as const, shape: [3], data: new Float32Array(2) }]]);
    expect(() => encodeSafetensors({ tensors, metadata: {} })).toThrow(/"a"/);
  });
});
