import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { altered } from './altered.ts';
import { jsonAt } from './artifacts.ts';
import { analyze, w8a16, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

interface Sensitivity {
  readonly scope: string;
  readonly metric: string;
  readonly float: number;
  readonly images: number;
  readonly layers: readonly {
    readonly layer: string;
    readonly sqnrHere: number | null;
    readonly sqnrOutput: number | null;
    readonly drop: number;
  }[];
}

async function inputs(overrides: Inputs = {}): Promise<Inputs> {
  return {
    ...(await world.gateBase()),
    backbone: await world.backbone(),
    head: await world.head('segmentation'),
    ...overrides,
  };
}

describe('the analyze job', () => {
  it('lists every layer and quantised value of the scope once, worst first', async () => {
    const done = await world.rig.run(analyze('head', 'segmentation', await inputs()));
    const report = await jsonAt<Sensitivity>(outputsOf(done)['report'] as string);
    expect(report).toMatchObject({ scope: 'segmentation', metric: 'mIoU', images: 32 });
    const names = report.layers.map(({ layer }) => layer).sort();
    expect(names).toEqual(
      [
        'segmentation.context.weight',
        'segmentation.features.depthwise.weight',
        'segmentation.features.pointwise.weight',
        'segmentation.joined',
        'segmentation.out.weight',
      ].sort(),
    );
    const drops = report.layers.map(({ drop }) => drop);
    expect(drops).toEqual([...drops].sort((left, right) => right - left));
    expect(report.layers.every(({ sqnrHere }) => sqnrHere === null || sqnrHere > 20)).toBe(true);
  });

  it('puts a planted bad layer first: one channel a thousand times too large, undone by the next layer', async () => {
    // Relu passes a factor on, so the float network computes the same; a grid for the whole tensor does not.
    const [bad, next] = ['backbone.stem', 'backbone.block1.depthwise'] as const;
    const factor = 1000;
    const backbone = await altered(await world.backbone(), ({ tensors }) => {
      const scale = (name: string, indices: (index: number) => boolean, by: number): void => {
        const data = tensors.get(name)?.data as Float32Array;
        data.forEach((value, index) => {
          if (indices(index)) data[index] = value * by;
        });
      };
      scale(`parameter.${bad}.bn.gamma`, (index) => index === 1, factor);
      scale(`parameter.${bad}.bn.beta`, (index) => index === 1, factor);
      // Depthwise, [C, 1, 3, 3].
      scale(`parameter.${next}.weight`, (index) => Math.floor(index / 9) === 1, 1 / factor);
    });
    const reportOf = async (path: string): Promise<Sensitivity> => {
      const { report } = await world.rig.outputs(analyze('backbone', 'segmentation', await inputs({ backbone: path })));
      return jsonAt<Sensitivity>(report as string);
    };
    const [sound, planted] = [await reportOf(await world.backbone()), await reportOf(backbone)];
    expect(planted.float).toBeCloseTo(sound.float, 3);
    expect(planted.layers[0]?.layer).toBe(`${bad}.weight`);
    const worst = Math.min(...planted.layers.map(({ sqnrOutput }) => sqnrOutput ?? Infinity));
    expect(planted.layers[0]?.sqnrOutput).toBe(worst);
    expect(sound.layers[0]?.layer).not.toBe(`${bad}.weight`);
  });

  it('uses the scales that the scope was calibrated with, where the profile is the same', async () => {
    const scopes = await inputs({
      backbone: await world.calibratedBackbone(),
      head: await world.calibratedHead('segmentation'),
    });
    const layersOf = async (given: Inputs, profile: JsonObject): Promise<Sensitivity['layers']> => {
      const { report } = await world.rig.outputs(analyze('head', 'segmentation', given, { profile }));
      return (await jsonAt<Sensitivity>(report as string)).layers;
    };
    expect(await layersOf(scopes, w8a8)).not.toEqual(await layersOf(await inputs(), w8a8));
    expect(await layersOf(scopes, w8a16)).toEqual(await layersOf(await inputs(), w8a16));
  });

  it('needs both scopes', async () => {
    const { head: _head, ...rest } = await inputs();
    const { result } = await world.rig.run(analyze('backbone', 'segmentation', rest));
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'protocol' } });
  });
});
