// The mixed-precision profile that an analysis recommends, and the jobs that take it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { checkpointAt, jsonAt } from './artifacts.ts';
import { analyze, calibrate, exportOrder, merge, qat, qatOfAll, TASKS, validate, w8a16, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { analysisInputs, hostileWeights, reportOf } from './sensitivity.ts';
import { outputsOf } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

/** The exported model proves what every export does, and the weights that the profile widens are 16 bits wide in it. */
async function expectWiderExport(merged: string, profile: JsonObject): Promise<void> {
  const exported = await world.rig.run(exportOrder({ ...world.taskData(), merged }));
  const proofs = exported.events.flatMap((event) => (event.type === 'proof' ? [event.proof] : []));
  expect(proofs.every(({ held }) => held)).toBe(true);
  const { scales } = await jsonAt<{ scales: { tensor: string; dtype: string }[] }>(
    outputsOf(exported)['scales'] as string,
  );
  const dtypeOf = (tensor: string) => scales.find((scale) => scale.tensor === tensor)?.dtype;
  for (const [layer, format] of Object.entries(profile['layers'] as { [layer: string]: { weights?: object } }))
    if (format.weights !== undefined) expect(dtypeOf(layer)).toBe('int16');
}

describe('a recommended profile', () => {
  const layers = (most: number, more: JsonObject = {}): JsonObject => ({
    recommend: { weights: [16], activations: [16], budget: { kind: 'layers', most }, measurements: 300, ...more },
  });

  it('widens the planted bad part and nothing else when one layer may be wider', async () => {
    const backbone = await hostileWeights(world);
    const report = await reportOf(world, 'backbone', 'segmentation', await analysisInputs(world, { backbone }), {
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
    const given = await analysisInputs(world, {
      backbone: await world.calibratedBackbone(),
      head: await world.head('segmentation'),
    });
    const report = await reportOf(world, 'head', 'segmentation', given, {
      recommend: { weights: [16], activations: [16], budget, measurements: 300 },
    });
    const { cost, effects, profile } = report.recommendation ?? {};
    expect(cost?.chosen).toBeGreaterThan(cost?.start ?? Infinity);
    expect(cost?.chosen).toBeLessThanOrEqual(limit);
    const decibels = [effects?.profile, effects?.recommended, effects?.widest].map((effect) => effect?.sqnr ?? 0);
    expect(decibels[1]).toBeGreaterThan(decibels[0] as number);
    // The whole profile again, as one that a user wrote.
    const again = await reportOf(world, 'head', 'segmentation', given, {
      profile: profile ?? {},
      recommend: { weights: [], activations: [], budget: { kind: 'layers', most: 1 }, measurements: 2 },
    });
    expect(again.recommendation?.effects.profile).toEqual(effects?.recommended);
  });

  it('refuses a budget that the profile itself exceeds', async () => {
    const recommend = { weights: [16], activations: [], budget: { kind: 'weight-bits', mean: 4 }, measurements: 9 };
    const { result } = await world.rig.run(analyze('head', 'segmentation', await analysisInputs(world), { recommend }));
    expect(result).toMatchObject({
      status: 'failed',
      failure: { reason: 'settings', message: expect.stringContaining('the profile itself costs 8') as string },
    });
  });

  it('is taken by calibrate and qat as an input, and stays through merge and export', async () => {
    const given = { profile: w8a8, ...layers(2) };
    const backboneIn = await analysisInputs(world, { 'heads[detection]': await world.head('detection') });
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
    await expectWiderExport(merged['merged'] as string, chosen);
    const measured = await world.rig.outputs(
      validate('segmentation', [], { ...(await world.gateBase()), merged: merged['merged'] as string }),
    );
    expect(measured['metrics']).toBeDefined();
  });

  it(
    'is taken by joint QAT of the backbone and the heads that were calibrated in it',
    { timeout: 240_000 },
    async () => {
      const analysed = await analysisInputs(world, { 'heads[detection]': await world.head('detection') });
      const { profile } = await world.rig.outputs(
        analyze('backbone', 'segmentation', analysed, { profile: w8a8, ...layers(2) }),
      );
      const chosen = await jsonAt<JsonObject>(profile as string);
      const wider = Object.keys(chosen['layers'] as JsonObject);
      expect(wider).toHaveLength(2);
      const given = { ...(await world.calibrationBase()), profile: profile as string };
      const { backbone } = await world.rig.outputs(
        calibrate('backbone', 'detection', { ...given, backbone: await world.backbone() }),
      );
      const inputs: { [port: string]: string } = {
        model: await world.model(),
        ...Object.fromEntries(TASKS.map((task) => [`data[${task}.train]`, world.trainData])),
        backbone: backbone as string,
      };
      for (const task of TASKS) {
        const headIn = { ...given, backbone: backbone as string, head: await world.head(task) };
        const { head } = await world.rig.outputs(calibrate('head', task, headIn));
        Object.assign(inputs, { [`heads[${task}]`]: head });
      }
      const joint = await world.rig.outputs(qatOfAll({ ...inputs, profile: profile as string }));
      for (const port of ['backbone', ...TASKS.map((task) => `head[${task}]`)])
        expect((await checkpointAt(joint[port] as string)).quant?.profile, port).toEqual(chosen);
      const heads = Object.fromEntries(TASKS.map((task) => [`heads[${task}]`, joint[`head[${task}]`] as string]));
      const { merged } = await world.rig.outputs(
        merge({ model: await world.model(), ...world.taskData(), backbone: joint['backbone'] as string, ...heads }),
      );
      await expectWiderExport(merged as string, chosen);
      const { result } = await world.rig.run(qatOfAll(inputs));
      expect(result).toMatchObject({ status: 'failed', failure: { reason: 'load-order' } });
    },
  );

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
