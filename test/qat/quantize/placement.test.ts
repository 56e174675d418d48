// Where quantisers sit: after every layer but a head's output, on the input, once on every boundary tensor.
import { describe, expect, it } from 'vitest';
import { BACKBONE, NetworkError, recogniseNetwork } from '../../../src/qat/network/network.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import { scopeNames } from '../checkpoints.ts';
import { BOUNDARY, OUTPUTS, mixed, smallNetwork, w4a4, w8a16, w8a8 } from '../networks.ts';

const network = smallNetwork();
const everywhere = (profile: Profile): ReadonlyMap<string, Profile> =>
  new Map(scopeNames(network).map((scope) => [scope, profile]));

describe('placing quantisers', () => {
  it('puts one after the input, every layer, Add and Concat, and none on head outputs or pass-through operators', () => {
    const { activations } = placeQuantizers(network, everywhere(w8a8));
    const layers = network.units.filter((unit) => unit.kind === 'layer').map((unit) => unit.output);
    const expected = ['image', ...layers, 'backbone.merged.relu', 'segmentation.joined'].filter(
      (value) => !(OUTPUTS as readonly string[]).includes(value),
    );
    expect([...activations.keys()].sort()).toEqual(expected.sort());
    expect([...activations.values()].every(({ format }) => format.bits === 8 && format.signed)).toBe(true);
  });

  it('gives boundary tensors and the input to the backbone, whichever head reads them', () => {
    const { activations } = placeQuantizers(network, everywhere(w8a8));
    for (const value of ['image', ...BOUNDARY]) expect(activations.get(value)?.scope).toBe(BACKBONE);
    const headsOnly = placeQuantizers(
      network,
      new Map([
        ['detection', w8a8],
        ['segmentation', w8a8],
      ]),
    );
    for (const value of ['image', ...BOUNDARY]) expect(headsOnly.activations.has(value)).toBe(false);
  });

  it('quantises only the scopes that have a profile', () => {
    const { activations, weights } = placeQuantizers(network, new Map([['segmentation', w8a8]]));
    expect(new Set([...activations.values(), ...weights.values()].map(({ scope }) => scope))).toEqual(
      new Set(['segmentation']),
    );
  });

  it('places a quantiser of its own per channel on every weight', () => {
    const { weights } = placeQuantizers(network, everywhere(w8a16));
    expect(weights.size).toBe(network.units.filter((unit) => unit.kind === 'layer').length);
    expect(weights.get('backbone.stem.weight')).toEqual({
      kind: 'weight',
      weight: 'backbone.stem.weight',
      scope: BACKBONE,
      format: { bits: 8, signed: true },
      channels: 4,
    });
    expect(
      new Set([...placeQuantizers(network, everywhere(w8a16)).activations.values()].map(({ format }) => format.bits)),
    ).toEqual(new Set([16]));
  });

  it('keeps first and last layers of w4a4 at 8 bits: input, stem, output weights and what they read', () => {
    const { activations, weights } = placeQuantizers(network, everywhere(w4a4));
    const eight = (
      quantizers: ReadonlyMap<string, { readonly format: { readonly bits: number } }>,
    ): readonly string[] =>
      [...quantizers]
        .filter(([, { format }]) => format.bits === 8)
        .map(([name]) => name)
        .sort();
    expect(eight(activations)).toEqual(['detection.hidden.relu', 'image', 'segmentation.features.pointwise.relu']);
    expect(eight(weights)).toEqual(['backbone.stem.weight', 'detection.out.weight', 'segmentation.out.weight']);
    expect(
      [...activations.values(), ...weights.values()].every(({ format }) => format.bits === 4 || format.bits === 8),
    ).toBe(true);
  });

  it('is unsigned after Relu, and after Concat and Resize of such values, where the profile allows it', () => {
    const { activations } = placeQuantizers(network, everywhere(w4a4));
    for (const [value, { format }] of activations) expect(format.signed, value).toBe(value === 'image');
    expect(activations.get('segmentation.joined')?.format).toEqual({ bits: 4, signed: false });
  });

  it('gives a layer the bits of its exception, of its weights, of what it makes or of both, before any other rule', () => {
    const { activations, weights } = placeQuantizers(network, everywhere(mixed));
    const bitsOf = (name: string): number | undefined => (weights.get(name) ?? activations.get(name))?.format.bits;
    const expected = {
      image: 16,
      'backbone.stem.weight': 16,
      'backbone.stem.relu': 8,
      'backbone.block1.depthwise.weight': 8,
      'backbone.block1.depthwise.relu': 16,
      'backbone.block3.pointwise.weight': 4,
      'backbone.block3.pointwise.relu': 4,
      'backbone.merged.relu': 16,
      'segmentation.joined': 16,
      'detection.out.weight': 4,
    };
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, bitsOf(name)]))).toEqual(expected);
    const lower = { ...w4a4, layers: { image: { activations: { bits: 4 } } } };
    expect(placeQuantizers(network, everywhere(lower)).activations.get('image')?.format.bits).toBe(4);
  });

  it.each([
    [
      'stem',
      { weights: { bits: 8 } },
      /exception for layer "stem", which the model does not have; scope "backbone" has/,
    ],
    ['backbone.merged.relu', { weights: { bits: 16 } }, /16-bit weights, but there is no such quantiser/],
    ['detection.out.weight', { activations: { bits: 16 } }, /16-bit activations, but there is no such quantiser/],
  ] as const)('refuses an exception that nothing would follow: %s', (layer, format, message) => {
    expect(() => placeQuantizers(network, everywhere({ ...w8a8, layers: { [layer]: format } }))).toThrow(message);
  });

  it('refuses an exception that the target cannot have', () => {
    const profile: Profile = {
      ...w8a8,
      target: 'tensorrt',
      layers: { 'backbone.stem.weight': { weights: { bits: 16 } } },
    };
    expect(() => placeQuantizers(network, everywhere(profile))).toThrow(
      /target tensorrt has no 16-bit weights \(layer "backbone.stem.weight"\)/,
    );
  });

  it('follows a grid through operators that keep it', () => {
    const placement = placeQuantizers(network, everywhere(w8a8));
    const joined = network.units.find((unit) => unit.output === 'segmentation.joined');
    const inputs = joined?.kind === 'plain' ? (joined.nodes[0]?.inputs ?? []) : [];
    expect(inputs.map((input) => placement.sourceOf(input)?.value)).toEqual([...BOUNDARY]);
    expect(placement.sourceOf('no such value')).toBeUndefined();
    expect(placeQuantizers(network, new Map()).sourceOf('image')).toBeUndefined();
  });

  it('refuses an operator without a place, by name, but only where its scope is quantised', () => {
    const b = new GraphBuilder();
    b.initializers.set('w', { dtype: 'float32', shape: [1, 3, 1, 1], data: new Float32Array(3) });
    b.emit('Conv', ['image', 'w'], {}, { outputs: ['conv'] });
    b.emit('Det', ['conv'], {}, { outputs: ['soft'] });
    b.emit('Relu', ['soft'], {}, { outputs: ['out'] });
    const graph = b.finish({
      name: 'g',
      opset: 18,
      inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, 4, 4] }],
      outputs: [{ name: 'out', dtype: 'float32' }],
    });
    const odd = recogniseNetwork(graph, { backbone: { boundary: ['conv'] }, heads: { h: { outputs: ['out'] } } });
    expect(() => placeQuantizers(odd, new Map([['h', w8a8]]))).toThrow(NetworkError);
    expect(() => placeQuantizers(odd, new Map([['h', w8a8]]))).toThrow(
      /no place for a quantiser is known after operator Det \("soft"\)/,
    );
    expect(() => placeQuantizers(odd, new Map([[BACKBONE, w8a8]]))).not.toThrow();
  });
});
