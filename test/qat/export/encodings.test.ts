// Encodings files against what their terms mean: a real value is (step + offset)·scale, steps from 0 to 2^bitwidth − 1, so that
// the ends of every grid come out of bitwidth and offset. Both versions of the file are read into one table.
import { describe, expect, it } from 'vitest';
import { encodingsOf } from '../../../src/qat/export/encodings.ts';
import { exportQdq } from '../../../src/qat/export/qdq.ts';
import { recogniseNetwork } from '../../../src/qat/network/network.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import { calibrate, quantisedScopes } from '../checkpoints.ts';
import { MANY_SCOPES, manyKinds } from '../many-kinds.ts';
import { SIZE } from '../networks.ts';

const network = recogniseNetwork(manyKinds(), MANY_SCOPES);
const shapes = new Map([
  ['dense.out', [2, 2 * SIZE, 2 * SIZE]],
  ['sharp.out', [2, 2 * SIZE, 2 * SIZE]],
  ['vector.out', [4]],
]);
/** Four formats and more in one model. */
const profile: Profile = {
  weights: { bits: 8 },
  activations: { bits: 8, unsignedAfterRelu: true },
  layers: { 'dense.w': { weights: { bits: 4 } }, up: { activations: { bits: 16 } } },
};
const ends: { readonly [dtype: string]: readonly [number, number] } = {
  int4: [-8, 7],
  int8: [-128, 127],
  int16: [-32768, 32767],
  uint8: [0, 255],
  uint16: [0, 65535],
};

interface Encoding {
  readonly bits: number;
  readonly offset: number;
  readonly symmetric: boolean;
  readonly scale: number;
  /** The smallest and the largest value; version 1.0.0 does not write them. */
  readonly range?: readonly [number, number];
}

interface Older {
  readonly bitwidth: number;
  readonly offset: number;
  readonly is_symmetric: 'True' | 'False';
  readonly scale: number;
  readonly min: number;
  readonly max: number;
}

interface Newer {
  readonly name: string;
  readonly bw: number;
  readonly offset: readonly number[];
  readonly is_sym: boolean;
  readonly scale: readonly number[];
  readonly enc_type: string;
}

function readOlder(part: { readonly [tensor: string]: readonly Older[] }): readonly [string, readonly Encoding[]][] {
  return Object.entries(part).map(([tensor, list]) => [
    tensor,
    list.map(({ bitwidth: bits, offset, is_symmetric, scale, min, max }) => ({
      bits,
      offset,
      symmetric: is_symmetric === 'True',
      scale,
      range: [min, max],
    })),
  ]);
}

function readNewer(part: readonly Newer[]): readonly [string, readonly Encoding[]][] {
  return part.map(({ name, bw: bits, offset, is_sym: symmetric, scale }) => [
    name,
    scale.map((each, channel) => ({ bits, offset: offset[channel] as number, symmetric, scale: each })),
  ]);
}

describe.each(['0.6.1', '1.0.0'] as const)('an encodings file of version %s', (version) => {
  it('gives every tensor its scales and the ends of its grid', async () => {
    const { scales } = exportQdq(network, quantisedScopes(await calibrate(network, profile)), shapes);
    expect(new Set(scales.map(({ dtype }) => dtype)).size).toBeGreaterThanOrEqual(4);
    const file = encodingsOf(scales, version);
    const parts = (['activation_encodings', 'param_encodings'] as const).map((part) => file[part]);
    const found = new Map(
      version === '0.6.1'
        ? (parts as Parameters<typeof readOlder>[0][]).flatMap(readOlder)
        : (parts as Parameters<typeof readNewer>[0][]).flatMap(readNewer),
    );
    expect([...found.keys()].sort()).toEqual(scales.map(({ tensor }) => tensor).sort());
    for (const { tensor, dtype, scale } of scales) {
      const [low, high] = ends[dtype] as readonly [number, number];
      const encodings = found.get(tensor) ?? [];
      expect(encodings.map((encoding) => encoding.scale)).toEqual(scale);
      for (const { bits, offset, symmetric, range, scale: step } of encodings) {
        expect([offset, offset + 2 ** bits - 1, symmetric], tensor).toEqual([low, high, low < 0]);
        if (range !== undefined) expect(range, tensor).toEqual([low * step, high * step]);
      }
    }
  });
});
