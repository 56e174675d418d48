// Calibration beyond one set and one observer: statistics used again, several sets, weights changed by declaration only.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recogniseNetwork, scopeMetadata } from '../../src/qat/network/network.ts';
import { decodeModel, encodeModel } from '../../src/qat/onnx/codec.ts';
import { encodeCheckpoint, initialCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { encodeSafetensors } from '../../src/support/safetensors.ts';
import { checkpointAt, digestsOf } from './artifacts.ts';
import { calibrate, w4a4, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

async function backboneInputs(): Promise<Inputs> {
  return { ...(await world.calibrationBase()), backbone: await world.backbone() };
}

async function fromStatistics(statistics: string, more: JsonObject, inputs: Inputs = {}) {
  const { model, backbone } = await backboneInputs();
  return calibrate('backbone', 'detection', { model, backbone, statistics, ...inputs } as Inputs, more);
}

describe('statistics of an earlier calibration', () => {
  it.each([
    { profile: w4a4, observer: { kind: 'kl' } },
    { profile: w8a8, observer: { kind: 'mix' } },
    { profile: w4a4, observer: { kind: 'mse' }, equalise: true, biasCorrection: true },
  ])('give what observing again gives, without data: %j', async (settings) => {
    const { equalise = false, biasCorrection = false } = settings as { equalise?: boolean; biasCorrection?: boolean };
    const first = calibrate('backbone', 'detection', await backboneInputs(), { equalise, biasCorrection });
    const { statistics } = await world.rig.outputs(first);
    const again = await world.rig.outputs(calibrate('backbone', 'detection', await backboneInputs(), settings));
    const derived = await world.rig.outputs(await fromStatistics(statistics as string, settings));
    expect(Object.keys(derived)).not.toContain('statistics');
    expect(await digestsOf({ backbone: derived['backbone'] as string })).toEqual(
      await digestsOf({ backbone: again['backbone'] as string }),
    );
  });

  it('are refused for other weights, another scope, or a correction that they hold no means for', async () => {
    const { statistics } = await world.rig.outputs(calibrate('backbone', 'detection', await backboneInputs()));
    const refusal = async (more: JsonObject): Promise<unknown> => {
      const { result } = await world.rig.run(await fromStatistics(statistics as string, more));
      return result;
    };
    const failure = (message: RegExp) => ({
      status: 'failed',
      failure: { reason: 'load-order', message: expect.stringMatching(message) as string },
    });
    expect(await refusal({ equalise: true })).toMatchObject(failure(/observed with other weights/));
    expect(await refusal({ biasCorrection: true })).toMatchObject(failure(/hold no mean inputs/));
    const head = calibrate('head', 'segmentation', {
      model: await world.model(),
      backbone: await world.calibratedBackbone(),
      head: await world.head('segmentation'),
      statistics: statistics as string,
    });
    expect((await world.rig.run(head)).result).toMatchObject(failure(/are of scope "backbone"/));
  });
});

describe('several calibration sets', () => {
  const rangesOf = async (sets: readonly JsonObject[], observer: JsonObject = { kind: 'min-max' }) => {
    const { model, backbone } = await backboneInputs();
    const inputs = {
      model,
      backbone,
      'data[detection.calibration]': world.trainData,
      'data[segmentation.calibration]': world.gateData,
    } as Inputs;
    const made = await world.rig.outputs(calibrate('backbone', 'detection', inputs, { sets: [...sets], observer }));
    return (await checkpointAt(made['backbone'] as string)).quant?.activations;
  };

  it('are all observed, each with its own number of batches', async () => {
    const [first, second] = [
      { task: 'detection', batches: 2, weight: 1 },
      { task: 'segmentation', batches: 2, weight: 1 },
    ];
    const [one, other, both] = [await rangesOf([first]), await rangesOf([second]), await rangesOf([first, second])];
    for (const [value, range] of both ?? []) {
      expect(range.min).toBe(Math.min(one?.get(value)?.min ?? NaN, other?.get(value)?.min ?? NaN));
      expect(range.max).toBe(Math.max(one?.get(value)?.max ?? NaN, other?.get(value)?.max ?? NaN));
    }
  });

  it('count as often as their weights say: three times is the set given three times', async () => {
    const percentile = { kind: 'percentile', percentile: 97 };
    const [first, second] = [
      { task: 'detection', batches: 1, weight: 1 },
      { task: 'segmentation', batches: 2, weight: 1 },
    ];
    const weighted = await rangesOf([first, { ...second, weight: 3 }], percentile);
    expect(weighted).toEqual(await rangesOf([first, second, second, second], percentile));
    expect(weighted).not.toEqual(await rangesOf([first, second], percentile));
  });
});

describe('equalisation and bias correction', () => {
  it('are declared in the checkpoint, and leave the float parent and a frozen backbone as they were', async () => {
    const backbone = await world.calibratedBackbone();
    const head = await world.head('segmentation');
    const before = await digestsOf({ backbone, head });
    const inputs = { ...(await world.calibrationBase()), backbone, head };
    const order = calibrate('head', 'segmentation', inputs, { equalise: true, biasCorrection: true });
    const { result, events, folder } = await world.rig.run(order);
    expect(result.status).toBe('succeeded');
    expect(await digestsOf({ backbone, head })).toEqual(before);
    const made = await checkpointAt(`${folder}/out/head.safetensors`);
    expect(made.transformations).toEqual(['cross-layer-equalisation', 'bias-correction']);
    const proofs = events.flatMap((event) => (event.type === 'proof' ? [event.proof.text] : []));
    expect(proofs.find((text) => text.startsWith('backbone:'))).toMatch(/bit-equal, state VALIDATION/);
    expect(proofs.find((text) => text.startsWith('segmentation:'))).toMatch(
      /changed by cross-layer equalisation of \d+ pairs? and bias correction/,
    );
  });

  it('are not there unless asked for: a calibrated scope holds the weights of its float parent', async () => {
    const [float, calibrated] = [
      await checkpointAt(await world.backbone()),
      await checkpointAt(await world.calibratedBackbone()),
    ];
    expect(calibrated.parameters).toEqual(float.parameters);
    expect(calibrated.transformations).toBeUndefined();
  });
});

describe('an averaging constant of 0', () => {
  it('is refused on the empty observers of calibration', async () => {
    const observer = { kind: 'moving-average', averagingConstant: 0 };
    const { result } = await world.rig.run(calibrate('backbone', 'detection', await backboneInputs(), { observer }));
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'observer' } });
  });
});

describe('a head of one layer', () => {
  it('has no activation to observe, and gets the scales of its weight', async () => {
    const graph = decodeModel(await readFile(await world.model()));
    const outputs = { detection: 'detection.out', segmentation: 'segmentation.out' };
    const readBy = (output: string) => graph.nodes.find((node) => node.outputs.includes(output))?.inputs[0] as string;
    const scopes = {
      backbone: { boundary: Object.values(outputs).map(readBy) },
      heads: Object.fromEntries(Object.entries(outputs).map(([head, output]) => [head, { outputs: [output] }])),
    };
    const network = recogniseNetwork({ ...graph, metadata: scopeMetadata(scopes) }, scopes);
    const write = async (name: string, bytes: Uint8Array): Promise<string> => {
      await writeFile(join(world.rig.root, name), bytes);
      return join(world.rig.root, name);
    };
    const float = (scope: string): Promise<string> =>
      write(`short-${scope}`, encodeSafetensors(encodeCheckpoint(initialCheckpoint(network, scope))));
    const inputs = { ...(await world.calibrationBase()), model: await write('short.onnx', encodeModel(network.graph)) };
    const { backbone } = await world.rig.outputs(
      calibrate('backbone', 'detection', { ...inputs, backbone: await float('backbone') }),
    );
    const { head } = await world.rig.outputs(
      calibrate('head', 'detection', { ...inputs, backbone: backbone as string, head: await float('detection') }),
    );
    const { quant } = await checkpointAt(head as string);
    expect([...(quant?.activations ?? [])]).toEqual([]);
    expect([...(quant?.weights.keys() ?? [])]).toEqual(['detection.out.weight']);
  });
});
