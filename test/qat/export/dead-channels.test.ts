// Channels whose weights are all zero, or tiny, through export: scales that every runtime can divide by, the bias kept, and the
// same numbers from the integer kernels.
import { describe, expect, it } from 'vitest';
import { encodingsOf, encodingVersions } from '../../../src/qat/export/encodings.ts';
import { exportQdq } from '../../../src/qat/export/qdq.ts';
import { scalesCsv } from '../../../src/qat/export/scale-table.ts';
import { compareOutputs } from '../../../src/qat/freeze/compare.ts';
import { CalibrationError, calibrate as calibrateLibrary, prepare } from '../../../src/qat/main.ts';
import type { Profile } from '../../../src/qat/main.ts';
import { networkOf } from '../../../src/qat/network/network.ts';
import { encodeCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { EPSILON } from '../../../src/qat/quantize/scheme.ts';
import { calibrate, quantisedScopes, runReference } from '../checkpoints.ts';
import { relativeDifference } from '../differences.ts';
import { runGraph } from '../graphs.ts';
import { CLASSES, OUTPUTS, randomBatch, SIZE, smallGraph, w4a4, w8a8 } from '../networks.ts';
import type { GraphIr } from '../../../src/qat/onnx/ir.ts';
import type { Tensor } from '../../../src/support/tensor.ts';

/** Half a step of the bias grid over the bias itself, where that grid is at its coarsest. */
const BIAS_KEPT = 1e-6;

/** One step of an 8-bit activation, at the top of its range. */
const INTEGER_KERNELS = 0.01;

const image = randomBatch(1);
const shapes = new Map([
  ['detection.out', [CLASSES.detection, SIZE / 4, SIZE / 4]],
  ['segmentation.out', [CLASSES.segmentation, SIZE / 2, SIZE / 2]],
]);

function changed(change: (values: (name: string) => Float32Array) => void): GraphIr {
  const graph = smallGraph();
  change((name) => graph.initializers.get(name)?.data as Float32Array);
  return graph;
}

const DEAD_BIAS = -7.5;
const pruned = changed((values) => {
  values('backbone.block1.depthwise.bn.gamma')[0] = 0;
  values('backbone.lateral.weight').fill(0, 0, 24);
  values('detection.out.weight').fill(0, 0, 8);
  values('detection.out.bias')[0] = DEAD_BIAS;
});

const channelOf = (tensor: Tensor | undefined, channel: number): Float32Array => {
  const { shape, data } = tensor as Tensor;
  const [images, channels, height, width] = shape as [number, number, number, number];
  const plane = height * width;
  return Float32Array.from({ length: images * plane }, (_, at) =>
    Number(data[(Math.floor(at / plane) * channels + channel) * plane + (at % plane)]),
  );
};

const profiles: readonly (readonly [string, Profile])[] = [
  ['w8a8', w8a8],
  ['w4a4', w4a4],
  ['powers of two', { ...w8a8, powerOfTwoScales: true }],
];

describe.each(profiles)('a pruned network in %s', (_, profile) => {
  it('has no scale of nothing: in checkpoints, tables, encodings and the file', async () => {
    const network = networkOf(pruned);
    const checkpoints = await calibrate(network, profile);
    for (const checkpoint of checkpoints.values())
      for (const [name, { data }] of encodeCheckpoint(checkpoint).tensors)
        if (name.endsWith('.scale'))
          expect(
            (data as Float32Array).every((scale) => scale >= EPSILON),
            name,
          ).toBe(true);
    const { graph, scales } = exportQdq(network, quantisedScopes(checkpoints), shapes, 'qdq');
    expect(scales.find(({ tensor }) => tensor === 'backbone.lateral.weight')?.scale[0]).toBe(EPSILON);
    for (const { tensor, scale } of scales)
      expect(
        scale.every((value) => Number.isFinite(value) && value >= EPSILON),
        tensor,
      ).toBe(true);
    for (const version of encodingVersions) {
      const text = JSON.stringify(encodingsOf(scales, version));
      expect(text).toContain('1.1920928955078125e-7');
      expect(text).not.toMatch(/null|"scale":(\[[^\]]*\b)?0[,\]}]/);
    }
    expect(scalesCsv(scales)).not.toMatch(/NaN|Infinity|,0\r/);
    for (const [name, { dtype, data }] of graph.initializers)
      if (dtype === 'float32') expect((data as Float32Array).every(Number.isFinite), name).toBe(true);
  });

  it('exports what VALIDATION computes, keeps the bias of a dead channel, and so do the integer kernels', async () => {
    const network = networkOf(pruned);
    const scopes = quantisedScopes(await calibrate(network, profile));
    const reference = await runReference(network, { scopes, outputs: OUTPUTS }, image);
    const { graph } = exportQdq(network, scopes, shapes, 'qdq');
    expect(compareOutputs(reference, await runGraph(graph, image)).differences).toEqual([]);
    for (const found of [reference, await runGraph(graph, image, 'all')]) {
      for (const value of channelOf(found.get('detection.out'), 0))
        expect(Math.abs(value - DEAD_BIAS) / Math.abs(DEAD_BIAS)).toBeLessThanOrEqual(BIAS_KEPT);
    }
  });
});

describe('tiny weights beside a large bias', () => {
  it('leave the integer kernels room to add both: the accumulator does not wrap around', async () => {
    const network = networkOf(
      changed((values) => {
        values('detection.hidden.weight').fill(1e-4, 0, 16 * 9);
        values('detection.hidden.bias')[0] = 500;
      }),
    );
    const scopes = quantisedScopes(await calibrate(network, w8a8));
    const reference = await runReference(network, { scopes, outputs: OUTPUTS }, image);
    const integers = await runGraph(exportQdq(network, scopes, shapes, 'qdq').graph, image, 'all');
    const [own, wanted] = [integers, reference].map((values) => values.get('detection.out')?.data as Float32Array);
    expect(relativeDifference(own as Float32Array, wanted as Float32Array)).toBeLessThanOrEqual(INTEGER_KERNELS);
  });
});

describe('the library’s calibration', () => {
  const scopes = {
    backbone: { boundary: ['backbone.block1.pointwise.relu', 'backbone.out4.pointwise.relu'] },
    heads: { detection: { outputs: ['detection.out'] }, segmentation: { outputs: ['segmentation.out'] } },
  };
  const batches = [image.get('image') as Tensor];

  it('names the channels that are all zero', async () => {
    const { zeroChannels } = await calibrateLibrary(await prepare(pruned, { scopes, profile: w8a8 }), batches);
    expect(Object.fromEntries(zeroChannels)).toEqual({
      'backbone.block1.depthwise.weight': [0],
      'backbone.lateral.weight': [0],
      'detection.out.weight': [0],
    });
  });

  it('refuses an activation that is all zero, by name, whatever the observer', async () => {
    const dead = changed((values) => {
      values('detection.hidden.weight').fill(0);
      values('detection.hidden.bias').fill(-1);
    });
    const prepared = await prepare(dead, { scopes, profile: w8a8 });
    const observers = [
      { kind: 'min-max' },
      { kind: 'moving-average', averagingConstant: 0.1 },
      { kind: 'percentile', percentile: 99.9 },
      { kind: 'mse', candidates: 20 },
      { kind: 'kl' },
      { kind: 'mix', of: [{ kind: 'kl' }, { kind: 'mse', candidates: 20 }] },
    ] as const;
    for (const observer of observers) {
      const calibrating = calibrateLibrary(prepared, batches, { observer });
      await expect(calibrating, observer.kind).rejects.toThrow(CalibrationError);
      await expect(calibrating, observer.kind).rejects.toThrow(
        /"detection\.hidden\.relu" has the smallest scale there is \(min 0, max 0, .*only zeros were observed/,
      );
    }
  });
});
