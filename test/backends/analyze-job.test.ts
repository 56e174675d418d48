import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { altered } from './altered.ts';
import { checkpointAt, jsonAt } from './artifacts.ts';
import { analyze, calibrate, exportOrder, merge, qat, validate, w8a16, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

interface EffectReport {
  readonly sqnr: number | null;
  readonly cosine: number;
  readonly outputs: { readonly [name: string]: { readonly sqnr: number | null; readonly cosine: number } };
  readonly metric: number | null;
  readonly drop: number | null;
}

interface Part {
  readonly bits: number;
  readonly alone: EffectReport;
  readonly here?: { readonly sqnr: number | null };
  readonly range?: { readonly scale: number };
  readonly spread: number;
  readonly channels: { readonly min: readonly number[]; readonly max: readonly number[] };
}

interface Sensitivity {
  readonly scope: string;
  readonly metric: { readonly name: string; readonly float: number } | null;
  readonly images: number;
  readonly outputs: readonly string[];
  readonly quantised: EffectReport;
  readonly layers: readonly {
    readonly layer: string;
    readonly rank: { readonly alone: number; readonly restored: number };
    readonly worse: 'weights' | 'activations';
    readonly alone: EffectReport;
    readonly restored: EffectReport & { readonly gained: number | null };
    readonly weights: Part | null;
    readonly activations: Part | null;
  }[];
  readonly recommendation?: {
    readonly profile: JsonObject & { readonly layers?: { readonly [layer: string]: JsonObject } };
    readonly cost: { readonly start: number; readonly limit: number; readonly chosen: number };
    readonly measured: number;
    readonly cutShort: boolean;
    readonly effects: {
      readonly profile: EffectReport;
      readonly recommended: EffectReport;
      readonly widest: EffectReport;
    };
  };
}

async function inputs(overrides: Inputs = {}): Promise<Inputs> {
  return {
    ...(await world.gateBase()),
    backbone: await world.backbone(),
    head: await world.head('segmentation'),
    ...overrides,
  };
}

async function reportOf(...order: Parameters<typeof analyze>): Promise<Sensitivity> {
  const { report } = await world.rig.outputs(analyze(...order));
  return jsonAt<Sensitivity>(report as string);
}

/** [C, 1, 3, 3] and the like: the elements of one row of the first axis. */
const row = (size: number, wanted: number) => (index: number) => Math.floor(index / size) === wanted;

/** A copy of the float backbone with these tensors scaled where told: the function stays the same where factors cancel. */
function scaled(
  changes: readonly (readonly [name: string, which: (index: number) => boolean, by: number])[],
): Promise<string> {
  return world.backbone().then((path) =>
    altered(path, ({ tensors }) => {
      for (const [name, which, by] of changes) {
        const data = tensors.get(`parameter.${name}`)?.data as Float32Array;
        data.forEach((value, index) => {
          if (which(index)) data[index] = value * by;
        });
      }
    }),
  );
}

/** Relu passes a factor on, so that the float network computes the same; one scale for the whole tensor does not fit it. */
function hostileActivations(): Promise<string> {
  return scaled([
    ['backbone.stem.bn.gamma', (index) => index === 1, 1000],
    ['backbone.stem.bn.beta', (index) => index === 1, 1000],
    ['backbone.block1.depthwise.weight', row(9, 1), 1 / 1000],
  ]);
}

/** One tap of every filter outgrows the others, by what the channel it reads is smaller: filters of [O, I, 1, 1]. */
function hostileWeights(factor = 200): Promise<string> {
  const channels = 8;
  return scaled([
    ['backbone.block2.depthwise.bn.gamma', (index) => index === 1, 1 / factor],
    ['backbone.block2.depthwise.bn.beta', (index) => index === 1, 1 / factor],
    ['backbone.block2.pointwise.weight', (index) => index % channels === 1, factor],
  ]);
}

describe('the analyze job', () => {
  it('lists every layer and quantised value of the scope once, worst first by what each does alone', async () => {
    const done = await world.rig.run(analyze('head', 'segmentation', await inputs()));
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
    const { layers } = await reportOf('head', 'segmentation', await inputs());
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
    const sound = await reportOf('backbone', 'segmentation', await inputs(), { profile });
    const planted = await reportOf('backbone', 'segmentation', await inputs({ backbone: await plant() }), { profile });
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
    const one = await reportOf('backbone', 'segmentation', await inputs());
    const both = await reportOf('backbone', 'segmentation', await inputs(heads));
    expect(both.outputs).toEqual(['detection.out', 'segmentation.out']);
    const of = (report: Sensitivity) => report.quantised.outputs['segmentation.out'];
    expect(of(both)).toEqual(of(one));
    expect(both.quantised.sqnr).not.toBe(one.quantised.sqnr);
  });

  it('needs no labels: without them there is no metric, and the rest is the same', async () => {
    const task = { ...(analyze('head', 'segmentation', {}).settings['task'] as JsonObject), target: 'none' };
    const labelled = await reportOf('head', 'segmentation', await inputs());
    const report = await reportOf('head', 'segmentation', await inputs(), { task });
    expect(report.metric).toBeNull();
    expect(report.layers[0]?.alone).toEqual({ ...labelled.layers[0]?.alone, metric: null, drop: null });
  });

  it('uses the scales that the scope was calibrated with, where the profile is the same', async () => {
    const backbone = await world.calibratedBackbone();
    const calibrated = { backbone, head: await world.calibratedHead('segmentation') };
    const float = { backbone, head: await world.head('segmentation') };
    const layersOf = async (given: Inputs, profile: JsonObject): Promise<Sensitivity['layers']> =>
      (await reportOf('head', 'segmentation', await inputs(given), { profile })).layers;
    expect(await layersOf(calibrated, w8a8)).not.toEqual(await layersOf(float, w8a8));
    expect(await layersOf(calibrated, w8a16)).toEqual(await layersOf(float, w8a16));
  });

  it('writes a table and a page of plots beside the numbers', async () => {
    const { text, plots, report } = await world.rig.outputs(analyze('head', 'segmentation', await inputs()));
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
    const { head: _head, ...rest } = await inputs();
    const { result } = await world.rig.run(analyze('backbone', 'segmentation', rest));
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'protocol' } });
  });
});

describe('a recommended profile', () => {
  const layers = (most: number, more: JsonObject = {}): JsonObject => ({
    recommend: { weights: [16], activations: [16], budget: { kind: 'layers', most }, measurements: 300, ...more },
  });

  it('widens the planted bad part and nothing else when one layer may be wider', async () => {
    const backbone = await hostileWeights();
    const report = await reportOf('backbone', 'segmentation', await inputs({ backbone }), {
      profile: w8a16,
      ...layers(1),
    });
    const { profile, cost, effects, cutShort } = report.recommendation ?? {};
    expect(profile).toEqual({ ...w8a16, layers: { 'backbone.block2.pointwise.weight': { weights: { bits: 16 } } } });
    expect(cost).toEqual({ start: 0, limit: 1, chosen: 1 });
    expect(cutShort).toBe(false);
    expect(effects?.recommended.sqnr).toBeGreaterThan((effects?.profile.sqnr ?? 0) + 3);
  });

  it.each([
    ['layers', { kind: 'layers', most: 3 }, 3],
    ['bits per weight', { kind: 'weight-bits', mean: 12 }, 12],
    ['bit operations', { kind: 'bit-operations', factor: 1.25 }, 1.25],
  ] as const)('keeps its budget of %s, and its combination is measured, not added up', async (_, budget, limit) => {
    const given = await inputs({ backbone: await world.calibratedBackbone(), head: await world.head('segmentation') });
    const report = await reportOf('head', 'segmentation', given, {
      recommend: { weights: [16], activations: [16], budget, measurements: 300 },
    });
    const { cost, effects, profile } = report.recommendation ?? {};
    expect(cost?.chosen).toBeGreaterThan(cost?.start ?? Infinity);
    expect(cost?.chosen).toBeLessThanOrEqual(limit);
    const decibels = [effects?.profile, effects?.recommended, effects?.widest].map((effect) => effect?.sqnr ?? 0);
    expect(decibels[1]).toBeGreaterThan(decibels[0] as number);
    // The whole profile again, as one that a user wrote.
    const again = await reportOf('head', 'segmentation', given, {
      profile: profile ?? {},
      recommend: { weights: [], activations: [], budget: { kind: 'layers', most: 1 }, measurements: 2 },
    });
    expect(again.recommendation?.effects.profile).toEqual(effects?.recommended);
  });

  it('refuses a budget that the profile itself exceeds', async () => {
    const recommend = { weights: [16], activations: [], budget: { kind: 'weight-bits', mean: 4 }, measurements: 9 };
    const { result } = await world.rig.run(analyze('head', 'segmentation', await inputs(), { recommend }));
    expect(result).toMatchObject({
      status: 'failed',
      failure: { reason: 'settings', message: expect.stringContaining('the profile itself costs 8') as string },
    });
  });

  it('is taken by calibrate and qat as an input, and stays through merge and export', async () => {
    const given = { profile: w8a8, ...layers(2) };
    const backboneIn = await inputs({ 'heads[detection]': await world.head('detection') });
    const { profile } = await world.rig.outputs(analyze('backbone', 'segmentation', backboneIn, given));
    const chosen = await jsonAt<JsonObject>(profile as string);
    expect(Object.keys(chosen['layers'] as JsonObject)).toHaveLength(2);

    const base = await world.calibrationBase();
    const backboneAt = { ...base, backbone: await world.backbone(), profile: profile as string };
    const { backbone } = await world.rig.outputs(calibrate('backbone', 'detection', backboneAt));
    expect((await checkpointAt(backbone as string)).quant?.profile).toEqual(chosen);
    const through = {
      ...(await world.base()),
      backbone: backbone as string,
      profile: profile as string,
      'heads[detection]': await world.head('detection'),
    };
    const trained = await world.rig.outputs(qat('backbone', 'detection', through));
    expect((await checkpointAt(trained['backbone'] as string)).quant?.profile).toEqual(chosen);
    const { profile: _profile, ...without } = through;
    const { result } = await world.rig.run(qat('backbone', 'detection', without));
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'load-order' } });

    const heads: Inputs = {};
    for (const task of ['detection', 'segmentation'] as const) {
      const headIn = { ...base, backbone: backbone as string, head: await world.head(task) };
      const { head } = await world.rig.outputs(calibrate('head', task, headIn));
      Object.assign(heads, { [`heads[${task}]`]: head });
    }
    const merged = await world.rig.outputs(
      merge({ model: await world.model(), ...world.taskData(), backbone: backbone as string, ...heads }),
    );
    const exported = await world.rig.run(exportOrder({ ...world.taskData(), merged: merged['merged'] as string }));
    const proofs = exported.events.flatMap((event) => (event.type === 'proof' ? [event.proof] : []));
    expect(proofs.every(({ held }) => held)).toBe(true);
    const { scales } = await jsonAt<{ scales: { tensor: string; dtype: string }[] }>(
      outputsOf(exported)['scales'] as string,
    );
    const dtypeOf = (tensor: string) => scales.find((scale) => scale.tensor === tensor)?.dtype;
    for (const [layer, format] of Object.entries(chosen['layers'] as { [layer: string]: { weights?: object } }))
      if (format.weights !== undefined) expect(dtypeOf(layer)).toBe('int16');
    const measured = await world.rig.outputs(
      validate('segmentation', [], { ...(await world.gateBase()), merged: merged['merged'] as string }),
    );
    expect(measured['metrics']).toBeDefined();
  });

  it('is refused where it is no profile', async () => {
    const order = calibrate('backbone', 'detection', {
      ...(await world.calibrationBase()),
      backbone: await world.backbone(),
      profile: await world.backbone(),
    });
    const { result } = await world.rig.run(order);
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'profile' } });
  });
});
