import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { jsonAt } from './artifacts.ts';
import { analyze, w8a16, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { analysisInputs, hostileActivations, hostileWeights, reportOf } from './sensitivity.ts';
import type { EffectReport, Sensitivity } from './sensitivity.ts';
import { outputsOf } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

describe('the analyze job', () => {
  it('lists every layer and quantised value of the scope once, worst first by what each does alone', async () => {
    const done = await world.rig.run(analyze('head', 'segmentation', await analysisInputs(world)));
    const report = await jsonAt<Sensitivity>(outputsOf(done)['report'] as string);
    expect(report).toMatchObject({ scope: 'segmentation', metric: { name: 'mIoU' }, images: 32 });
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
    const decibels = report.layers.map(({ alone }) => alone.sqnr ?? Infinity);
    expect(decibels).toEqual([...decibels].sort((left, right) => left - right));
    for (const sense of ['alone', 'restored'] as const)
      expect(report.layers.map(({ rank }) => rank[sense]).sort()).toEqual([1, 2, 3, 4, 5]);
    // 8 bits on a small network: no tensor is far from its float form, and nothing is exact.
    for (const { alone, weights, activations, restored } of report.layers) {
      for (const found of [alone.sqnr, weights?.here?.sqnr ?? 30, restored.sqnr]) expect(found).toBeGreaterThan(20);
      expect(alone.cosine).toBeGreaterThan(0.99);
      expect(restored.sqnr as number).toBeGreaterThanOrEqual((report.quantised.sqnr as number) - 0.5);
      expect(weights === null && activations === null).toBe(false);
    }
  });

  it('tells weights from activations: alone, a layer loses about what both parts lose', async () => {
    const { layers } = await reportOf(world, 'head', 'segmentation', await analysisInputs(world));
    const noise = (effect: EffectReport | undefined): number => 10 ** (-(effect?.sqnr ?? Infinity) / 10);
    const both = layers.filter(({ weights, activations }) => weights !== null && activations !== null);
    expect(both.length).toBeGreaterThan(2);
    for (const { alone, weights, activations } of both) {
      const ratio = noise(alone) / (noise(weights?.alone) + noise(activations?.alone));
      // Two roundings that know nothing of each other; far apart only when one undid the other.
      expect(ratio).toBeGreaterThan(0.6);
      expect(ratio).toBeLessThan(1.6);
    }
  });

  it.each([
    [
      'what the stem makes, of one channel a thousand times too large',
      hostileActivations,
      'backbone.stem.weight',
      'activations',
      w8a8,
    ],
    [
      'filters with one tap two hundred times too large',
      hostileWeights,
      'backbone.block2.pointwise.weight',
      'weights',
      w8a16,
    ],
  ] as const)('puts a planted bad layer first in both senses: %s', async (_, plant, bad, part, profile) => {
    const sound = await reportOf(world, 'backbone', 'segmentation', await analysisInputs(world), { profile });
    const planted = await reportOf(
      world,
      'backbone',
      'segmentation',
      await analysisInputs(world, { backbone: await plant(world) }),
      { profile },
    );
    expect(planted.metric?.float).toBeCloseTo(sound.metric?.float ?? 0, 3);
    expect(planted.layers[0]).toMatchObject({ layer: bad, rank: { alone: 1, restored: 1 }, worse: part });
    expect(sound.layers[0]?.layer).not.toBe(bad);
    expect(planted.layers[0]?.restored.gained).toBeGreaterThan(3);
    const spread = (report: Sensitivity): number =>
      report.layers.find(({ layer }) => layer === bad)?.activations?.spread ?? 0;
    if (part === 'activations') expect(spread(planted)).toBeGreaterThan(20 * spread(sound));
  });

  it('compares the outputs of every head that it is given', async () => {
    const heads = {
      'heads[detection]': await world.head('detection'),
      'heads[segmentation]': await world.head('segmentation'),
    };
    const one = await reportOf(world, 'backbone', 'segmentation', await analysisInputs(world));
    const both = await reportOf(world, 'backbone', 'segmentation', await analysisInputs(world, heads));
    expect(both.outputs).toEqual(['detection.out', 'segmentation.out']);
    const of = (report: Sensitivity) => report.quantised.outputs['segmentation.out'];
    expect(of(both)).toEqual(of(one));
    expect(both.quantised.sqnr).not.toBe(one.quantised.sqnr);
  });

  it('needs no labels: without them there is no metric, and the rest is the same', async () => {
    const task = { ...(analyze('head', 'segmentation', {}).settings['task'] as JsonObject), target: 'none' };
    const labelled = await reportOf(world, 'head', 'segmentation', await analysisInputs(world));
    const report = await reportOf(world, 'head', 'segmentation', await analysisInputs(world), { task });
    expect(report.metric).toBeNull();
    expect(report.layers[0]?.alone).toEqual({ ...labelled.layers[0]?.alone, metric: null, drop: null });
  });

  it('uses the scales that the scope was calibrated with, where the profile is the same', async () => {
    const backbone = await world.calibratedBackbone();
    const calibrated = { backbone, head: await world.calibratedHead('segmentation') };
    const float = { backbone, head: await world.head('segmentation') };
    const layersOf = async (given: Inputs, profile: JsonObject): Promise<Sensitivity['layers']> =>
      (await reportOf(world, 'head', 'segmentation', await analysisInputs(world, given), { profile })).layers;
    expect(await layersOf(calibrated, w8a8)).not.toEqual(await layersOf(float, w8a8));
    expect(await layersOf(calibrated, w8a16)).toEqual(await layersOf(float, w8a16));
  });

  it('writes a table and a page of plots beside the numbers', async () => {
    const { text, plots, report } = await world.rig.outputs(
      analyze('head', 'segmentation', await analysisInputs(world)),
    );
    const { layers } = await jsonAt<Sensitivity>(report as string);
    const [table, page] = [await readFile(text as string, 'utf8'), await readFile(plots as string, 'utf8')];
    const named = table.split('\n').filter((line) => /^ +\d/.test(line));
    expect(named.map((line) => line.trim().split(/ +/)[2])).toEqual(layers.map(({ layer }) => layer));
    const parts = layers.flatMap(({ weights, activations }) => [weights, activations]).filter((part) => part !== null);
    expect(page.match(/<svg/g)).toHaveLength(parts.length);
    const bars = parts.reduce((sum, { channels }) => sum + channels.min.length, 0);
    expect(page.match(/<rect/g)).toHaveLength(bars);
    expect(page).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('needs both scopes', async () => {
    const { head: _head, ...rest } = await analysisInputs(world);
    const { result } = await world.rig.run(analyze('backbone', 'segmentation', rest));
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'protocol' } });
  });
});
