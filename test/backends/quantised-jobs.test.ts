import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { checkpointAt, jsonAt } from './artifacts.ts';
import type { MetricsDocument } from './artifacts.ts';
import { calibrate, qat, validate, w4a4, w8a16, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

async function backboneInputs(): Promise<Inputs> {
  return { ...(await world.calibrationBase()), backbone: await world.backbone() };
}

async function headQatInputs(profile: JsonObject = w8a8): Promise<Inputs> {
  return {
    ...(await world.base()),
    backbone: await world.calibratedBackbone(profile),
    head: await world.calibratedHead('segmentation', profile),
  };
}

async function backboneQatInputs(): Promise<Inputs> {
  return {
    ...(await world.base()),
    backbone: await world.calibratedBackbone(),
    'heads[detection]': await world.head('detection'),
  };
}

const observers: readonly JsonObject[] = [
  { kind: 'min-max' },
  { kind: 'moving-average', averagingConstant: 0.5 },
  { kind: 'percentile', percentile: 99 },
  { kind: 'mse', candidates: 20 },
];

describe('the calibrate job', () => {
  it.each(observers)(
    'sets a scale for every activation and channel with the observer $kind, weights untouched',
    async (observer) => {
      const { backbone } = await world.rig.outputs(
        calibrate('backbone', 'detection', await backboneInputs(), { observer }),
      );
      const [float, calibrated] = [await checkpointAt(await world.backbone()), await checkpointAt(backbone as string)];
      expect(calibrated.state).toBe('calibrated');
      expect(calibrated.parameters).toEqual(float.parameters);
      expect([...(calibrated.quant?.activations.values() ?? [])].every(({ scale }) => scale > 1e-6)).toBe(true);
      const channels = [...(calibrated.quant?.weights ?? [])].map(([weight, scales]) => [weight, scales.length]);
      const kernels = [...float.parameters].filter(([, { shape }]) => shape.length === 4);
      expect(channels.sort()).toEqual(kernels.map(([weight, { shape }]) => [weight, shape[0]]).sort());
    },
  );

  it('gives narrower ranges with percentiles than with extremes', async () => {
    const scalesWith = async (observer: JsonObject) => {
      const { backbone } = await world.rig.outputs(
        calibrate('backbone', 'detection', await backboneInputs(), { observer }),
      );
      return [...((await checkpointAt(backbone as string)).quant?.activations.values() ?? [])].map(
        ({ scale }) => scale,
      );
    };
    const [extremes, percentiles] = [
      await scalesWith({ kind: 'min-max' }),
      await scalesWith({ kind: 'percentile', percentile: 90 }),
    ];
    expect(percentiles.every((scale, at) => scale <= (extremes[at] as number))).toBe(true);
    expect(percentiles).not.toEqual(extremes);
  });

  it('calibrates a head on its frozen backbone and writes down which backbone that was', async () => {
    const head = await checkpointAt(await world.calibratedHead('detection'));
    const other = await checkpointAt(await world.calibratedHead('segmentation'));
    expect(head).toMatchObject({ scope: 'detection', state: 'calibrated' });
    expect(head.backbone).toMatch(/^[0-9a-f]{64}$/);
    expect(other.backbone).toBe(head.backbone);
    // Boundary quantisers are the backbone's.
    expect([...(head.quant?.activations.keys() ?? [])].every((value) => value.startsWith('detection.'))).toBe(true);
  });
});

describe('the qat job on the backbone', () => {
  it.each([
    { bn: 'train', activationScales: 'follow' },
    { bn: 'train', activationScales: 'fixed' },
    { bn: 'frozen', activationScales: 'follow' },
    { bn: 'frozen', activationScales: 'fixed' },
  ])('trains through a frozen float head with batch norm $bn and activation scales $activationScales', async (how) => {
    const done = await world.rig.run(qat('backbone', 'detection', await backboneQatInputs(), how));
    const [start, after] = [
      await checkpointAt(await world.calibratedBackbone()),
      await checkpointAt(outputsOf(done)['backbone'] as string),
    ];
    expect(after.state).toBe('qat');
    const kept = (name: string): boolean =>
      after.parameters.get(name)?.data.join() === start.parameters.get(name)?.data.join();
    expect([...start.parameters.keys()].filter((name) => name.endsWith('weight')).filter(kept)).toEqual([]);
    const statistics = [...start.parameters.keys()].filter((name) => /\.(mean|variance)$/.test(name));
    expect(statistics.filter(kept)).toEqual(how.bn === 'train' ? [] : statistics);
    const fixed =
      JSON.stringify([...(after.quant?.activations ?? [])]) === JSON.stringify([...(start.quant?.activations ?? [])]);
    expect(fixed).toBe(how.activationScales === 'fixed');
    expect(done.events.find(({ type }) => type === 'proof')).toMatchObject({
      proof: { text: expect.stringMatching(/^detection: /) as string },
    });
  });

  it('trains through several heads at once, each proven unchanged', async () => {
    const { 'data[train]': data, ...rest } = await backboneQatInputs();
    const inputs = {
      ...rest,
      'heads[segmentation]': await world.head('segmentation'),
      'data[detection.train]': data as string,
      'data[segmentation.train]': data as string,
    };
    const done = await world.rig.run(qat('backbone', 'detection', inputs, {}, ['detection', 'segmentation']));
    expect(await jsonAt(outputsOf(done)['report'] as string)).toMatchObject({
      epochs: [
        { 'loss.detection.out': expect.any(Number) as number, 'loss.segmentation.out': expect.any(Number) as number },
      ],
    });
    const proofs = done.events.flatMap((event) => (event.type === 'proof' ? [event.proof.name] : []));
    expect(proofs).toEqual(['freeze', 'freeze', 'deployed']);
  });

  it.each([{ tasks: {} }, { tasks: { detection: 1 } }])(
    'is pulled towards the float features with distillation and tasks $tasks',
    async ({ tasks }) => {
      const inputs = { ...(await backboneQatInputs()), teacher: await world.backbone() };
      const done = await world.rig.run(qat('backbone', 'detection', inputs, { objective: { tasks, distill: 1 } }));
      const { epochs } = await jsonAt<{ epochs: { [loss: string]: number }[] }>(outputsOf(done)['report'] as string);
      expect(Object.keys(epochs[0] ?? {})).toHaveLength(1 + 2 + Object.keys(tasks).length);
    },
  );
});

describe('the qat job on a head', () => {
  it.each([
    { bn: 'train', activationScales: 'follow', profile: w8a8 },
    { bn: 'frozen', activationScales: 'fixed', profile: w8a16 },
    { bn: 'frozen', activationScales: 'follow', profile: w4a4 },
  ])('trains on the frozen backbone, which it proves unchanged ($bn, $activationScales)', async (how) => {
    const done = await world.rig.run(qat('head', 'segmentation', await headQatInputs(how.profile), how));
    const after = await checkpointAt(outputsOf(done)['head'] as string);
    const start = await checkpointAt(await world.calibratedHead('segmentation', how.profile));
    expect(after).toMatchObject({ scope: 'segmentation', state: 'qat', backbone: start.backbone });
    expect(done.events.find(({ type }) => type === 'proof')).toMatchObject({
      proof: { name: 'freeze', held: true, text: expect.stringMatching(/^backbone: .*state VALIDATION/) as string },
    });
  });

  it('is pulled towards the float head with distillation', async () => {
    const inputs = { ...(await headQatInputs()), teacher: await world.head('segmentation') };
    const { report } = await world.rig.outputs(qat('head', 'segmentation', inputs, { objective: { distill: 1 } }));
    const { epochs } = await jsonAt<{ epochs: { [loss: string]: number }[] }>(report as string);
    expect(Object.keys(epochs[0] ?? {})).toHaveLength(3);
  });

  it('brings back accuracy that 4 bits cost', async () => {
    const inputs = await headQatInputs(w4a4);
    const settings = {
      profile: w4a4,
      training: { ...(qat('head', 'segmentation', {}).settings['training'] as object), epochs: 6 },
    };
    const { head } = await world.rig.outputs(qat('head', 'segmentation', inputs, settings));
    const measured = async (path: string): Promise<number> => {
      const { model, backbone } = inputs as { readonly model: string; readonly backbone: string };
      const scopes = { model, backbone, head: path, 'data[gate]': world.gateData };
      const { metrics } = await world.rig.outputs(validate('segmentation', ['backbone', 'head'], scopes));
      return (await jsonAt<MetricsDocument>(metrics as string)).values['mIoU'] as number;
    };
    expect(await measured(head as string)).toBeGreaterThan(await measured(inputs['head'] as string));
  });
});
