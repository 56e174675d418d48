// What the library's `calibrate` may do beyond observing: equalise, correct biases, weigh several sets; bit for bit as the
// `calibrate` stage does.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageBatcher } from '../../src/data/batches.ts';
import { openPackedDataset } from '../../src/data/packed-dataset.ts';
import {
  calibrate,
  CalibrationError,
  compareCheckpoints,
  decode,
  prepare,
  validationForward,
} from '../../src/qat/main.ts';
import type {
  CalibrateOptions,
  GraphIr,
  Prepared,
  Profile,
  Quantised,
  ScopeCheckpoint,
  Tensor,
} from '../../src/qat/main.ts';
import { scopeMetadata } from '../../src/qat/network/network.ts';
import type { ScopeForward } from '../../src/qat/network/reference.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { ints } from '../../src/qat/onnx/ir.ts';
import { encodeCheckpoint, initialCheckpoint, scopeDigest } from '../../src/qat/quantize/checkpoint.ts';
import { Random } from '../../src/support/random.ts';
import { encodeSafetensors } from '../../src/support/safetensors.ts';
import { zeros } from '../../src/support/tensor.ts';
import { checkpointAt } from '../backends/artifacts.ts';
import * as orders from '../backends/orders.ts';
import { World } from '../backends/world.ts';
import { floatScopes, runReference } from '../qat/checkpoints.ts';
import { relativeDifference } from '../qat/differences.ts';
import { randomTensor, runGraph } from '../qat/graphs.ts';
import { BATCH, BOUNDARY, OUTPUTS, randomBatch, smallGraph, w4a4, w8a8 } from '../qat/networks.ts';

const batches = [1, 2, 3].map((seed) => randomBatch(seed).get('image') as Tensor);
const [first, second, third] = batches as [Tensor, Tensor, Tensor];
const checkpointOf = ({ scopes }: Quantised, scope: string): ScopeCheckpoint =>
  (scopes.get(scope) as ScopeForward).checkpoint;

let prepared: Prepared;
beforeAll(async () => {
  prepared = await prepare(smallGraph(), { profile: w8a8 });
});

describe('`equalise`', () => {
  /** float32 rounds once more per rescaled weight: some ulps of the largest output. */
  const FUNCTION_TOLERANCE = 1e-5;

  it('leaves what the float network computes, moves ranges inside it, and declares itself', async () => {
    const { network } = prepared;
    const [plain, equalised] = [
      await calibrate(prepared, batches),
      await calibrate(prepared, batches, { equalise: true }),
    ];
    const outputs = [...BOUNDARY, ...OUTPUTS];
    const changed = new Map(
      [...equalised.scopes].map(([scope, { checkpoint }]) => [scope, { state: 'FLOAT' as const, checkpoint }]),
    );
    const [before, after] = [
      await runReference(network, { scopes: floatScopes(network), outputs }, randomBatch(4)),
      await runReference(network, { scopes: changed, outputs }, randomBatch(4)),
    ];
    for (const name of outputs) {
      const [left, right] = [after, before].map((values) => values.get(name)?.data as Float32Array);
      expect(relativeDifference(left as Float32Array, right as Float32Array), name).toBeLessThan(FUNCTION_TOLERANCE);
    }
    for (const scope of plain.scopes.keys()) {
      expect(plain.equalisedPairs.get(scope)).toEqual([]);
      expect(checkpointOf(plain, scope).transformations).toBeUndefined();
      expect(equalised.equalisedPairs.get(scope)?.length, scope).toBeGreaterThan(0);
      expect(checkpointOf(equalised, scope).transformations).toEqual(['cross-layer-equalisation']);
      const [float, moved] = [checkpointOf(plain, scope).quant, checkpointOf(equalised, scope).quant];
      expect(moved?.activations, scope).not.toEqual(float?.activations);
      expect(moved?.weights, scope).not.toEqual(float?.weights);
    }
  });

  it('is refused where float32 cannot rescale the weights', async () => {
    // Channels that are all bias, read by large weights: β / s overflows.
    const far = await prepare(chain({ stem: 1e-38, stemBias: 1e10, middle: 1e25 }), { profile: w8a8 });
    await expect(calibrate(far, batches, { equalise: true })).rejects.toThrow(
      /^equalised, scope "backbone" differs from float at "features" by/,
    );
  });
});

describe('`biasCorrection`', () => {
  /** Coarse weights, and activations too fine to shift a mean. */
  const w4a16: Profile = { weights: { bits: 4 }, activations: { bits: 16, unsignedAfterRelu: false } };

  it('makes the mean error of every output channel on the calibration data smaller', async () => {
    const linear = await prepare(chain(), { profile: w4a16 });
    const [plain, corrected] = [
      await calibrate(linear, batches),
      await calibrate(linear, batches, { biasCorrection: true }),
    ];
    const [before, after] = [await meanErrors(linear, plain), await meanErrors(linear, corrected)];
    for (const [channel, error] of after.entries())
      expect(Math.abs(error)).toBeLessThan(0.1 * Math.abs(before[channel] as number));
    expect(corrected.uncorrected).toEqual(['bare.weight']);
    expect(plain.uncorrected).toEqual([]);
    for (const scope of plain.scopes.keys()) {
      expect(checkpointOf(corrected, scope).transformations).toEqual(['bias-correction']);
      // Scales come before the correction, which no weight's range sees.
      expect(checkpointOf(corrected, scope).quant?.weights).toEqual(checkpointOf(plain, scope).quant?.weights);
    }
  });

  /** Of the deployed outputs' channels that reach a bias, against float. */
  async function meanErrors({ network }: Prepared, quantised: Quantised): Promise<readonly number[]> {
    const outputs = ['y'];
    const graph = validationForward(quantised, { batch: BATCH, outputs });
    const sums = [0, 0];
    for (const images of batches) {
      const feeds = new Map([['image', images]]);
      const float = (await runReference(network, { scopes: floatScopes(network), outputs }, feeds)).get('y') as Tensor;
      const deployed = (await runGraph(graph, feeds)).get('out.y') as Tensor;
      const plane = (float.shape[2] as number) * (float.shape[3] as number);
      for (const [index, value] of (float.data as Float32Array).entries()) {
        const channel = Math.floor(index / plane) % sums.length;
        sums[channel] = (sums[channel] as number) + Number(deployed.data[index]) - value;
      }
    }
    return sums;
  }
});

describe('several sets', () => {
  const ranges = async (sets: Parameters<typeof calibrate>[1], options: CalibrateOptions = {}) =>
    new Map(
      [...(await calibrate(prepared, sets, options)).scopes].map(([scope, { checkpoint }]) => [
        scope,
        checkpoint.quant?.activations,
      ]),
    );

  it('of weight 1, or one of any weight, are the batches in turn: the first of each, then the second', async () => {
    const observer = { kind: 'moving-average', averagingConstant: 0.3 } as const;
    const inTurn = await ranges([{ batches: [first, third] }, { batches: [second] }], { observer });
    expect(inTurn).toEqual(await ranges([first, second, third], { observer }));
    expect(inTurn).not.toEqual(await ranges([first, third, second], { observer }));
    expect(await ranges([{ batches, weight: 7 }])).toEqual(await ranges(batches));
  });

  it('count as often as their weights say: three times is the set given three times', async () => {
    const observer = { kind: 'percentile', percentile: 97 } as const;
    const one = { batches: [first] };
    const other = { batches: [second] };
    const weighted = await ranges([one, { ...other, weight: 3 }], { observer });
    expect(weighted).toEqual(await ranges([one, other, other, other], { observer }));
    expect(weighted).not.toEqual(await ranges([one, other], { observer }));
  });

  it.each([
    ['is empty', [{ batches: [first] }, { batches: [] }], /^there is no batch of set 2$/],
    ['counts for nothing', [{ batches: [first] }, { batches: [second], weight: 0 }], /^the weight of set 2 is 0/],
    [
      'has images of another size',
      [{ batches: [first, zeros([1, 3, 16, 16])] }],
      /^batch 2 is \[1, 3, 16, 16\], the first/,
    ],
  ] as const)('are refused when one %s', async (_, sets, message) => {
    const calibrating = calibrate(prepared, sets);
    await expect(calibrating).rejects.toThrow(CalibrationError);
    await expect(calibrating).rejects.toThrow(message);
  });
});

describe('the `calibrate` stage', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world.remove());

  it('leaves the checkpoints that the library gives, bit for bit', { timeout: 120_000 }, async () => {
    const options = {
      observer: { kind: 'percentile', percentile: 99 },
      equalise: true,
      biasCorrection: true,
    } as const;
    const sets = [
      { task: 'detection', batches: 2, weight: 1 },
      { task: 'segmentation', batches: 1, weight: 2.5 },
    ];
    const model = await world.model();
    const asked = await prepare(decode(await readFile(model)), { profile: w4a4 });
    const quantised = await calibrate(
      asked,
      [{ batches: await imagesOf(world.trainData, 2) }, { batches: await imagesOf(world.gateData, 1), weight: 2.5 }],
      options,
    );

    const float = async (scope: string): Promise<string> => {
      const path = join(world.rig.root, `float-${scope}`);
      await writeFile(path, encodeSafetensors(encodeCheckpoint(initialCheckpoint(asked.network, scope))));
      return path;
    };
    const inputs = {
      model,
      'data[detection.calibration]': world.trainData,
      'data[segmentation.calibration]': world.gateData,
    };
    const more = { ...options, profile: w4a4, sets };
    const { backbone } = await world.rig.outputs(
      orders.calibrate('backbone', 'detection', { ...inputs, backbone: await float('backbone') }, more),
    );
    const onBackbone = { ...inputs, backbone: backbone as string, head: await float('segmentation') };
    const { head } = await world.rig.outputs(orders.calibrate('head', 'segmentation', onBackbone, more));
    for (const [scope, path] of [
      ['backbone', backbone],
      ['segmentation', head],
    ] as const) {
      const [made, expected] = [checkpointOf(quantised, scope), await checkpointAt(path as string)];
      expect(compareCheckpoints(made, expected).differences, scope).toEqual([]);
      expect(scopeDigest(made)).toBe(scopeDigest(expected));
      expect(made.transformations).toEqual(['cross-layer-equalisation', 'bias-correction']);
    }
  });

  async function imagesOf(folder: string, count: number): Promise<readonly Tensor[]> {
    const batcher = new ImageBatcher(await openPackedDataset(folder));
    return Array.from({ length: count }, (_, batch) =>
      batcher.images(Array.from({ length: orders.BATCH }, (_image, at) => batch * orders.BATCH + at)),
    );
  }
});

interface Magnitudes {
  readonly stem?: number;
  readonly stemBias?: number;
  readonly middle?: number;
}

/** Layers without an activation between them, so that a mean at the end is the sum of the layers' own; one has no bias. */
function chain({ stem = 1, stemBias = 1, middle = 1 }: Magnitudes = {}): GraphIr {
  const b = new GraphBuilder('m');
  const random = new Random(5);
  const conv = (input: string, output: string, name: string, shape: readonly number[], weight = 1, bias?: number) => {
    b.initializers.set(`${name}.weight`, randomTensor(random, shape, weight));
    const inputs = [input, `${name}.weight`];
    if (bias !== undefined) {
      b.initializers.set(`${name}.bias`, randomTensor(random, shape.slice(0, 1), bias));
      inputs.push(`${name}.bias`);
    }
    b.emit('Conv', inputs, { kernel_shape: ints(shape.slice(2)), pads: ints([0, 0, 0, 0]) }, { outputs: [output] });
  };
  conv('image', 'stem', 'stem', [4, 3, 3, 3], stem, stemBias);
  conv('stem', 'features', 'middle', [4, 4, 1, 1], middle, 1);
  conv('features', 'y', 'head', [2, 4, 1, 1], 1, 1);
  conv('features', 'z', 'bare', [3, 4, 1, 1]);
  const scopes = {
    backbone: { boundary: ['features'] },
    heads: { head: { outputs: ['y'] }, bare: { outputs: ['z'] } },
  };
  return b.finish({
    name: 'chain',
    opset: 17,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, 16, 16] }],
    outputs: ['y', 'z'].map((name) => ({ name, dtype: 'float32' as const })),
    metadata: scopeMetadata(scopes),
  });
}
