// Every kind of metric through the validate job: of heads that classify, regress and segment, and of a head without labels.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { decodeSafetensors } from '../../src/support/safetensors.ts';
import { jsonAt } from './artifacts.ts';
import type { MetricsDocument } from './artifacts.ts';
import { BATCH, taskSettings, training, validate, w8a8 } from './orders.ts';
import { importTwoKinds, twoKinds, writeTwoKindsData } from './two-kinds.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

const BOOTSTRAP = { count: 40, seed: 0, block: 1 };

async function measured(settings: JsonObject, inputs: { readonly [port: string]: string }): Promise<MetricsDocument> {
  const { metrics } = await world.rig.outputs({
    kind: 'validate',
    settings: { quantized: [], runtime: 'reference', batch: BATCH, bootstrap: BOOTSTRAP, ...settings },
    inputs,
  });
  return jsonAt<MetricsDocument>(metrics as string);
}

describe('a head that classifies and one that regresses', () => {
  it('are trained, calibrated, trained quantised and measured, each by its own metric', async () => {
    const imported = await importTwoKinds(world.rig);
    const [train, gate] = [
      await writeTwoKindsData(world.rig, 'train', 96, 3),
      await writeTwoKindsData(world.rig, 'gate', 48, 4),
    ];
    const model = imported['model'] as string;
    const data = { 'data[kind.train]': train, 'data[brightness.train]': train };
    const tasks = [twoKinds.kind, twoKinds.brightness];
    const float = await world.rig.outputs({
      kind: 'train',
      settings: {
        train: ['backbone', 'heads'],
        tasks,
        weights: { kind: 1, brightness: 1 },
        training: training(30, 0.01),
      },
      inputs: { model, ...data },
    });
    const calibrating = { profile: w8a8, observer: { kind: 'min-max' }, batches: 3, batch: BATCH };
    const scopes = { model, 'data[calibration]': train, backbone: float['backbone'] as string };
    const { backbone } = (await world.rig.outputs({
      kind: 'calibrate',
      settings: { scope: 'backbone', task: twoKinds.kind, ...calibrating },
      inputs: scopes,
    })) as { readonly backbone: string };
    const heads: { [task: string]: string } = {};
    for (const task of ['kind', 'brightness'] as const) {
      const calibrated = await world.rig.outputs({
        kind: 'calibrate',
        settings: { scope: 'head', task: twoKinds[task], ...calibrating },
        inputs: { ...scopes, backbone, head: float[`head[${task}]`] as string },
      });
      heads[task] = calibrated['head'] as string;
    }
    const trained = await world.rig.outputs({
      kind: 'qat',
      settings: {
        scope: 'all',
        tasks,
        profile: w8a8,
        training: training(1, 0.0005),
        activationScales: 'learned',
        weightScales: 'learned',
        averagingConstant: 0,
        scaleRate: 0.1,
        bn: 'frozen',
        objective: { tasks: { kind: 1, brightness: 1 }, distill: 0 },
      },
      inputs: {
        model,
        ...data,
        backbone,
        'heads[kind]': heads['kind'] as string,
        'heads[brightness]': heads['brightness'] as string,
      },
    });
    const results: { [name: string]: MetricsDocument } = {};
    for (const task of ['kind', 'brightness'] as const) {
      const common = { model, 'data[gate]': gate };
      const head = `head[${task}]`;
      results[`${task} float`] = await measured(
        { task: twoKinds[task] },
        { ...common, backbone: float['backbone'] as string, head: float[head] as string },
      );
      results[`${task} qat`] = await measured(
        { task: twoKinds[task], quantized: ['backbone', 'head'] },
        { ...common, backbone: trained['backbone'] as string, head: trained[head] as string },
      );
    }
    const [kind, kindQat] = [results['kind float'], results['kind qat']];
    expect(kind).toMatchObject({ primary: 'accuracy', units: { top2: 'fraction' }, higherIsBetter: { f1: true } });
    // Five in nine have a light square.
    expect(kind?.values['accuracy']).toBeGreaterThan(0.7);
    expect(kind?.values['top2']).toBeGreaterThanOrEqual(kind?.values['accuracy'] as number);
    expect(kindQat?.values['accuracy']).toBeGreaterThan(0.7);
    expect(Object.keys(kind?.classes['accuracy'] ?? {})).toEqual(['dark', 'grey', 'light']);
    const [brightness, brightnessQat] = [results['brightness float'], results['brightness qat']];
    expect(brightness).toMatchObject({
      primary: 'rmse',
      units: { rmse: 'cd' },
      higherIsBetter: { rmse: false, mae: false },
    });
    expect(brightness?.values['rmse']).toBeLessThan(0.1);
    expect(brightnessQat?.values['rmse']).toBeLessThan(0.1);
    for (const { replicates, values } of Object.values(results)) {
      for (const [name, value] of Object.entries(values)) {
        const series = replicates?.values[name] ?? [];
        expect(series).toHaveLength(BOOTSTRAP.count);
        expect(Math.min(...series.map(Number))).toBeLessThanOrEqual(value);
        expect(Math.max(...series.map(Number))).toBeGreaterThanOrEqual(value);
      }
    }
  });
});

describe('raw outputs that are kept', () => {
  const task = taskSettings.segmentation;
  const order = async (keepOutputs: number, batch = BATCH) => ({
    kind: 'validate',
    settings: { task, quantized: [], runtime: 'reference', batch, keepOutputs },
    inputs: {
      ...(await world.gateBase()),
      backbone: await world.backbone(),
      head: await world.head('segmentation'),
    },
  });
  const maps = async (file: string) => {
    const read = decodeSafetensors(await readFile(file));
    if (!read.ok) throw new Error(read.error);
    const [entry] = read.value.tensors;
    if (entry === undefined) throw new Error('no tensor');
    return entry[1];
  };

  it('are those that were measured, of the first images across batches', async () => {
    const { outputs, details } = await world.rig.outputs(await order(BATCH + 3));
    const { shape, data } = await maps(outputs as string);
    const { images } = await jsonAt<{ images: { classes: string[]; images: number[]; pixels: number[] } }>(
      details as string,
    );
    const [count = 0, classes = 0, height = 0, width = 0] = shape;
    expect([count, classes]).toEqual([BATCH + 3, images.classes.length]);
    expect(images.images.length).toBeGreaterThan(count);
    const plane = height * width;
    for (let image = 0; image < count; image++) {
      const predicted = new Array<number>(classes).fill(0);
      for (let pixel = 0; pixel < plane; pixel++) {
        const scores = predicted.map((_, of) => Number(data[(image * classes + of) * plane + pixel]));
        const best = scores.indexOf(Math.max(...scores));
        predicted[best] = (predicted[best] ?? 0) + 1;
      }
      const measured = predicted.map((_, of) => images.pixels[(image * classes + of) * 3 + 1]);
      expect(predicted).toEqual(measured);
    }
  });

  it('are all there are where more are asked for, without the padding of the last batch', async () => {
    const { outputs, details } = await world.rig.outputs(await order(10_000, 7));
    const { images } = await jsonAt<{ images: { images: number[] } }>(details as string);
    expect(images.images.length % 7).not.toBe(0);
    expect((await maps(outputs as string)).shape[0]).toBe(images.images.length);
  });

  it('are no output of a stage that does not ask', async () => {
    expect(Object.keys(await world.rig.outputs(await order(0)))).toEqual(['metrics', 'details']);
  });
});

describe('another primary metric', () => {
  it('is pixel accuracy, with a value and replicates for every class', async () => {
    const task = { ...taskSettings.segmentation, metric: { kind: 'miou', also: ['f1'], primary: 'pixelAccuracy' } };
    const scopes = { backbone: await world.backbone(), head: await world.head('segmentation') };
    const found = await measured({ task }, { ...(await world.gateBase()), ...scopes });
    expect(found.primary).toBe('pixelAccuracy');
    expect(Object.keys(found.classes['pixelAccuracy'] ?? {})).toEqual(['dark', 'grey', 'ground', 'light']);
    expect(found.replicates?.classes['pixelAccuracy']?.['grey']).toHaveLength(BOOTSTRAP.count);
    expect(found.values['f1']).toBeGreaterThan(found.values['mIoU'] as number);
  });

  it('is the mean AP over several distances, with detections from a score on beside it', async () => {
    const task = { ...taskSettings.detection, metric: { kind: 'centre-map', distance: [2, 4], score: 0.3 } };
    const scopes = { backbone: await world.backbone(), head: await world.head('detection') };
    const { values, primary } = await measured({ task }, { ...(await world.gateBase()), ...scopes });
    expect(primary).toBe('mAP');
    expect(values['mAP']).toBeCloseTo(((values['mAP@2'] as number) + (values['mAP@4'] as number)) / 2, 12);
    expect(values['mAP@4']).toBeGreaterThan(values['mAP@2'] as number);
    expect(Object.keys(values)).toEqual(expect.arrayContaining(['precision', 'recall', 'f1']));
  });
});

describe('a task without labels', () => {
  const task: JsonObject = {
    name: 'detection',
    head: 'detection',
    target: null,
    stride: 4,
    loss: null,
    metric: { kind: 'sqnr' },
  };
  const float = async () => ({ floatBackbone: await world.backbone(), floatHead: await world.head('detection') });
  const calibrated = async () => ({
    backbone: await world.calibratedBackbone(),
    head: await world.calibratedHead('detection'),
  });

  it('is measured against the float model: 200 dB where nothing differs, less the coarser the grid', async () => {
    const base = { ...(await world.gateBase()), ...(await float()) };
    const both = { task, quantized: ['backbone', 'head'] };
    const same = { backbone: await world.backbone(), head: await world.head('detection') };
    const equal = await measured({ task }, { ...base, ...same });
    expect(equal).toMatchObject({ primary: 'sqnr', values: { sqnr: 200 }, units: { sqnr: 'dB' } });
    const eight = await measured(both, { ...base, ...(await calibrated()) });
    expect(eight.values['sqnr']).toBeGreaterThan(15);
    expect(eight.values['sqnr']).toBeLessThan(60);
    expect(eight.classes['sqnr']).toEqual({ 'detection.out': eight.values['sqnr'] });
    expect(new Set(eight.replicates?.values['sqnr']).size).toBeGreaterThan(20);
  });

  it('is measured merged and exported alike, and against the model’s own weights where no float scopes are given', async () => {
    const data = { 'data[gate]': world.gateData };
    const parts = await measured(
      { task, quantized: ['backbone', 'head'] },
      { ...(await world.gateBase()), ...(await float()), ...(await calibrated()) },
    );
    const merged = await measured({ task }, { ...data, ...(await float()), merged: await world.merged() });
    const exported = await measured(
      { task },
      { ...data, ...(await float()), model: await world.model(), exported: await world.exported() },
    );
    expect(merged).toEqual(parts);
    expect(exported).toEqual(parts);
    // Untrained weights give other outputs altogether.
    const other = await measured({ task }, { ...data, merged: await world.merged() });
    expect(other.values['sqnr']).toBeLessThan(parts.values['sqnr'] as number);
  });

  it('needs no target in its data', async () => {
    const details = await world.rig.outputs({
      ...validate('detection', ['backbone', 'head'], { ...(await world.gateBase()), ...(await calibrated()) }),
      settings: {
        task: { ...task, target: 'not there' },
        quantized: ['backbone', 'head'],
        runtime: 'reference',
        batch: BATCH,
      },
    });
    expect(await readFile(details['details'] as string, 'utf8')).toContain('"signal"');
  });
});
