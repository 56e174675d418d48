// What goes wrong at run time is a result with a reason, told before any step is spent where that is possible.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { writePackedDataset } from '../../src/data/packed-dataset.ts';
import { withValue } from './altered.ts';
import { calibrate, exportOrder, finetune, merge, modelOrder, qat, taskSettings, train, validate } from './orders.ts';
import type { Inputs } from './orders.ts';
import { tinyDataset } from './tiny-data.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

async function expectFailure(order: JobOrder, reason: string, message: RegExp): Promise<void> {
  const { result, events } = await world.rig.run(order);
  expect(result).toMatchObject({
    status: 'failed',
    failure: { reason, message: expect.stringMatching(message) as string },
  });
  expect(events.filter(({ type }) => type === 'progress' || type === 'proof')).toEqual([]);
}

async function written(name: string, dataset: Dataset): Promise<string> {
  const folder = join(world.rig.root, name);
  await writePackedDataset(folder, dataset);
  return folder;
}

describe('data that the model cannot take', () => {
  it('is refused by every stage that reads images, with both shapes', async () => {
    const { images, count, targets: _targets, ...rest } = tinyDataset('small', 16, 1);
    const data = await written('small', {
      ...rest,
      count,
      images: images.slice(0, count * 16 * 16),
      height: 16,
      width: 16,
      targets: new Map(),
    });
    const message = /data set "tiny\/small" has images \[1, 16, 16\], the model's input "image" is \[1, 32, 32\]/;
    const [model, backbone, head] = [await world.model(), await world.backbone(), await world.head('detection')];
    const inputs = { model, backbone, head, 'data[train]': data, 'data[gate]': data, 'data[calibration]': data };
    const quantised = { ...inputs, backbone: await world.calibratedBackbone() };
    for (const order of [
      train(['head'], 'detection', inputs),
      calibrate('backbone', 'detection', inputs),
      qat('backbone', 'detection', { ...quantised, 'heads[detection]': head }),
      qat('head', 'detection', { ...quantised, head: await world.calibratedHead('detection') }),
      finetune('detection', quantised),
      validate('detection', [], inputs),
      {
        kind: 'validate',
        settings: validate('detection', [], {}).settings,
        inputs: { exported: await world.exported(), 'data[gate]': data },
      },
    ]) {
      await expectFailure(order, 'wrong-shape', message);
    }
  });

  it('is refused when its targets do not fit the head, before any step', async () => {
    const base = { ...(await world.base()), backbone: await world.backbone(), head: await world.head('detection') };
    const wrongStride = { task: { ...taskSettings.detection, stride: 8 } };
    const message =
      /head "detection" gives \[3, 8, 8\], target "boxes" of data set "tiny\/(train|gate)" at stride 8 is \[3, 4, 4\]/;
    await expectFailure(train(['head'], 'detection', base, wrongStride), 'wrong-shape', message);
    await expectFailure(validate('detection', [], base, wrongStride), 'wrong-shape', message);
    const exported = { exported: await world.exported(), 'data[gate]': world.gateData };
    await expectFailure(validate('detection', [], exported, wrongStride), 'wrong-shape', message);
  });

  it('is refused when it has more classes than the head', async () => {
    const plain = tinyDataset('train', 16, 1);
    const mask = plain.targets.get('mask');
    if (mask?.kind !== 'mask') throw new Error('no mask');
    const many = { ...mask, classes: [...mask.classes, 'sky'] };
    const data = await written('many', { ...plain, targets: new Map([...plain.targets, ['mask', many]]) });
    const inputs = {
      ...(await world.base()),
      backbone: await world.backbone(),
      head: await world.head('segmentation'),
      'data[train]': data,
      'data[gate]': data,
    };
    const message = /head "segmentation" gives 4 classes, target "mask" of data set "tiny\/train" has 5/;
    await expectFailure(train(['head'], 'segmentation', inputs), 'wrong-shape', message);
    await expectFailure(validate('segmentation', [], inputs), 'wrong-shape', message);
  });

  it('is refused when the target is missing, of another kind, or too small for a batch', async () => {
    const inputs = { ...(await world.base()), backbone: await world.backbone() };
    const missing = { task: { ...taskSettings.detection, target: 'lanes' } };
    await expectFailure(train(['head'], 'detection', inputs, missing), 'data', /lanes/);
    const other = { task: { ...taskSettings.detection, target: 'mask' } };
    await expectFailure(train(['head'], 'detection', inputs, other), 'data', /mask/);
    const few = await written('few', tinyDataset('few', 4, 1));
    await expectFailure(
      train(['head'], 'detection', { ...inputs, 'data[train]': few }),
      'data',
      /the data set has 4 images, fewer than one batch of 16/,
    );
    await expectFailure(
      calibrate('backbone', 'detection', { ...inputs, 'data[calibration]': few }),
      'data',
      /the calibration set has 4 images, fewer than one batch of 16/,
    );
  });
});

describe('numbers that are not finite', () => {
  const WEIGHT = 'parameter.segmentation.features.depthwise.weight';

  it('fail a validation and name the metric or output', async () => {
    const head = await withValue(await world.head('segmentation'), WEIGHT, 0, NaN);
    const { result } = await world.rig.run(
      validate('segmentation', [], { ...(await world.gateBase()), backbone: await world.backbone(), head }),
    );
    expect(result).toMatchObject({
      failure: { reason: 'metric-not-finite', message: expect.stringMatching(/NaN|not finite/) as string },
    });
  });

  it('fail a training at its first step', async () => {
    const head = await withValue(await world.head('segmentation'), WEIGHT, 0, NaN);
    const { result } = await world.rig.run(
      train(['head'], 'segmentation', { ...(await world.base()), backbone: await world.backbone(), head }),
    );
    expect(result).toMatchObject({
      failure: { reason: 'loss-not-finite', message: expect.stringMatching(/NaN at step 1 \(epoch 1\)/) as string },
    });
  });

  it('fail a calibration and name the activation', async () => {
    const backbone = await withValue(await world.backbone(), 'parameter.backbone.block3.depthwise.weight', 0, NaN);
    const { result } = await world.rig.run(
      calibrate('backbone', 'detection', { ...(await world.calibrationBase()), backbone }),
    );
    expect(result).toMatchObject({
      failure: { reason: 'empty-scale', message: expect.stringMatching(/"backbone.block3.depthwise.relu"/) as string },
    });
  });

  it('fail a calibration where a layer is dead, and warn where only a channel is', async () => {
    const gamma = 'parameter.backbone.block3.depthwise.bn';
    const zeros = async (path: string, channels: number): Promise<string> => {
      let file = path;
      for (let channel = 0; channel < channels; channel++) {
        file = await withValue(file, `${gamma}.gamma`, channel, 0);
        file = await withValue(file, `${gamma}.beta`, channel, 0);
      }
      return file;
    };
    const inputs = await world.calibrationBase();
    const dead = { ...inputs, backbone: await zeros(await world.backbone(), 12) };
    const { result } = await world.rig.run(calibrate('backbone', 'detection', dead));
    expect(result).toMatchObject({
      failure: {
        reason: 'empty-scale',
        message: expect.stringMatching(
          /activation "backbone.block3.depthwise.relu" has the smallest scale there is \(min 0, max 0, scale .*\): only zeros/,
        ) as string,
      },
    });
    const thin = { ...inputs, backbone: await zeros(await world.backbone(), 1) };
    const { events } = await world.rig.run(calibrate('backbone', 'detection', thin));
    expect(events).toContainEqual({
      type: 'note',
      level: 'warning',
      text: 'weight "backbone.block3.depthwise.weight": 1 of 12 channels are all zero and give their bias alone (0)',
    });
  });
});

describe('a head that is not there', () => {
  it('is named with the heads that are', async () => {
    const task = { ...taskSettings.detection, name: 'lanes', head: 'lanes' };
    const inputs: Inputs = { ...(await world.gateBase()), exported: await world.exported() };
    await expectFailure(
      { ...validate('detection', [], inputs), settings: { ...validate('detection', [], {}).settings, task } },
      'model',
      /the model has no head "lanes" \(it has: detection, segmentation\)/,
    );
  });

  it('is missed by a merge that was not given all heads', async () => {
    const { 'heads[segmentation]': _left, ...inputs } = await world.mergeInputs();
    const { settings } = merge(inputs);
    await expectFailure(
      { kind: 'merge', settings: { ...settings, tasks: [taskSettings.detection] }, inputs },
      'model',
      /no checkpoint was given for head "segmentation"/,
    );
  });
});

describe('damaged or foreign model files', () => {
  it('are refused as corrupt, whatever was cut off', async () => {
    const bytes = await readFile(await world.model());
    for (const [name, content] of [
      ['empty', Buffer.alloc(0)],
      ['cut', bytes.subarray(0, bytes.length - 100)],
      ['text', Buffer.from('this is no protocol buffer at all')],
    ] as const) {
      const file = join(world.rig.root, `${name}.onnx`);
      await writeFile(file, content);
      await expectFailure(
        calibrate('backbone', 'detection', {
          ...(await world.calibrationBase()),
          model: file,
          backbone: await world.backbone(),
        }),
        'corrupt-onnx',
        /./,
      );
    }
  });

  it('are refused when a merged folder is incomplete or its heads are from another backbone', async () => {
    const { result } = await world.rig.run(exportOrder({ ...world.taskData(), merged: world.gateData }));
    expect(result).toMatchObject({ status: 'failed' });
  });
});

describe('the worker', () => {
  it('refuses a protocol that is not its own', async () => {
    await expectFailure({ ...modelOrder, protocol: 99 }, 'protocol', /the job speaks protocol 99, this worker 1/);
  });

  it('refuses a kind it does not have', async () => {
    await expectFailure({ ...modelOrder, kind: 'dance' }, 'protocol', /no job of kind "dance"/);
  });

  it('names an input that the job was not given', async () => {
    const { model: _model, ...inputs } = await world.base();
    await expectFailure(train(['head'], 'detection', inputs), 'protocol', /the job was given no input "model"/);
  });
});
