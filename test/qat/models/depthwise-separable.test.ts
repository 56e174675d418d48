// The built-in model: seeded, divided into scopes, of the sizes that its heads promise.
import { describe, expect, it } from 'vitest';
import { buildDepthwiseSeparable } from '../../../src/qat/models/depthwise-separable.ts';
import type { DepthwiseSettings } from '../../../src/qat/models/depthwise-separable.ts';
import { networkOf } from '../../../src/qat/network/network.ts';
import { encodeModel } from '../../../src/qat/onnx/codec.ts';
import { initialCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import { zeros } from '../../../src/support/tensor.ts';
import { floatScopes, scopeNames } from '../checkpoints.ts';
import { buildReference } from '../../../src/qat/network/reference.ts';
import { runGraph } from '../graphs.ts';
import { w4a4 } from '../networks.ts';

const settings: DepthwiseSettings = {
  input: [1, 32, 24],
  width: 4,
  heads: {
    detection: { kind: 'heatmap', classes: 10, stride: 4 },
    segmentation: { kind: 'dense', classes: 11, stride: 2 },
  },
  seed: 3,
};

describe('the depthwise-separable model', () => {
  it('is the same bytes for the same seed, and others for another', () => {
    expect(encodeModel(buildDepthwiseSeparable(settings))).toEqual(encodeModel(buildDepthwiseSeparable(settings)));
    expect(encodeModel(buildDepthwiseSeparable({ ...settings, seed: 4 }))).not.toEqual(
      encodeModel(buildDepthwiseSeparable(settings)),
    );
  });

  it('gives each head its classes at its stride, and boundaries at strides 2 and 4', async () => {
    const network = networkOf(buildDepthwiseSeparable(settings));
    const outputs = [...network.scopes.backbone.boundary, 'detection.out', 'segmentation.out'];
    const graph = buildReference(network, { scopes: floatScopes(network), outputs, batch: 2 });
    const results = await runGraph(graph, new Map([['image', zeros([2, 1, 32, 24])]]));
    expect(outputs.map((name) => results.get(`out.${name}`)?.shape)).toEqual([
      [2, 8, 16, 12],
      [2, 16, 8, 6],
      [2, 10, 8, 6],
      [2, 11, 16, 12],
    ]);
  });

  it('consists of layers that quantisers can be placed on, in every scope', () => {
    const network = networkOf(buildDepthwiseSeparable(settings));
    for (const scope of scopeNames(network)) {
      expect(initialCheckpoint(network, scope).parameters.size, scope).toBeGreaterThan(0);
      expect(placeQuantizers(network, new Map([[scope, w4a4]])).weights.size, scope).toBeGreaterThan(0);
    }
    expect(
      network.units.flatMap((unit) => (unit.kind === 'layer' && unit.norm === undefined ? [unit.weight] : [])),
    ).toEqual(['detection.out.weight', 'segmentation.out.weight']);
  });
});
