// Every wrong load is refused with its reason before any work is done.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { floatTensor } from '../../src/support/tensor.ts';
import { altered, withTensor, without } from './altered.ts';
import { calibrate, finetune, merge, modelOrder, qat, train, validate, w4a4, w8a8, w8a16 } from './orders.ts';
import type { Inputs } from './orders.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

async function expectRefusal(order: JobOrder, reason: string, message: RegExp): Promise<void> {
  const { result, events } = await world.rig.run(order);
  expect(result).toMatchObject({
    status: 'failed',
    failure: { reason, message: expect.stringMatching(message) as string },
  });
  expect(events).toEqual([]);
}

async function headInputs(overrides: Inputs = {}): Promise<Inputs> {
  return {
    ...(await world.base()),
    ...(await world.calibrationBase()),
    backbone: await world.calibratedBackbone(),
    head: await world.calibratedHead('segmentation'),
    ...overrides,
  };
}

describe('float weights where quantised ones belong (loaded after prepare)', () => {
  const needed = /"backbone" is in state float, needed is calibrated or qat: float weights are loaded before prepare/;

  it('are refused by calibration, QAT and finetuning of a head, and by validation', async () => {
    const backbone = await world.backbone();
    const float = await world.head('segmentation');
    await expectRefusal(
      calibrate('head', 'segmentation', await headInputs({ backbone, head: float })),
      'load-order',
      needed,
    );
    await expectRefusal(finetune('segmentation', await headInputs({ backbone, head: float })), 'load-order', needed);
    await expectRefusal(qat('head', 'segmentation', await headInputs({ backbone })), 'load-order', needed);
    const gate = { ...(await world.gateBase()), backbone, head: float };
    await expectRefusal(validate('segmentation', ['backbone'], gate), 'load-order', needed);
  });

  it('are refused as the scope of a QAT and as a head of a merge', async () => {
    const head = await world.head('segmentation');
    await expectRefusal(
      qat('head', 'segmentation', await headInputs({ head })),
      'load-order',
      /"head" is in state float/,
    );
    const inputs = { ...(await world.mergeInputs()), 'heads[segmentation]': head };
    await expectRefusal(merge(inputs), 'load-order', /"heads\[segmentation\]" is in state float/);
  });
});

describe('quantised weights where float ones belong (loaded before prepare)', () => {
  const refused =
    /is in state calibrated, needed is float: quantised weights cannot be loaded where float weights are expected/;

  it('are refused by float training, calibration, finetuning and float validation', async () => {
    const [backbone, head] = [await world.calibratedBackbone(), await world.calibratedHead('segmentation')];
    await expectRefusal(train(['head'], 'segmentation', { ...(await world.base()), backbone }), 'load-order', refused);
    await expectRefusal(
      calibrate('backbone', 'detection', { ...(await world.calibrationBase()), backbone }),
      'load-order',
      refused,
    );
    await expectRefusal(calibrate('head', 'segmentation', await headInputs()), 'load-order', refused);
    await expectRefusal(finetune('segmentation', await headInputs({ head })), 'load-order', refused);
    const gate = { ...(await world.gateBase()), backbone: await world.backbone(), head };
    await expectRefusal(validate('segmentation', [], gate), 'load-order', refused);
  });

  it('are refused as the frozen heads of a backbone QAT and as its teacher', async () => {
    const backbone = await world.calibratedBackbone();
    const quantised = {
      ...(await world.base()),
      backbone,
      'heads[detection]': await world.calibratedHead('detection'),
    };
    await expectRefusal(qat('backbone', 'detection', quantised), 'load-order', refused);
    const taught = { ...(await world.base()), backbone, teacher: backbone };
    await expectRefusal(
      qat('backbone', 'detection', taught, { objective: { tasks: {}, distill: 1 } }),
      'load-order',
      refused,
    );
  });
});

describe('heads made on another backbone', () => {
  it('are refused by QAT, validation and merge, each with both backbones', async () => {
    const backbone = await world.calibratedBackbone(w8a16);
    await expectRefusal(
      qat('head', 'segmentation', await headInputs({ backbone })),
      'load-order',
      /head "segmentation" was calibrated on another backbone \([0-9a-f]{12}, here [0-9a-f]{12}\)/,
    );
    const gate = { ...(await world.gateBase()), backbone, head: await world.calibratedHead('segmentation') };
    await expectRefusal(
      validate('segmentation', ['backbone', 'head'], gate),
      'load-order',
      /was made on backbone [0-9a-f]{12}, but is measured on/,
    );
    const mixed = {
      ...(await world.mergeInputs()),
      'heads[segmentation]': await world.calibratedHead('segmentation', w4a4),
    };
    await expectRefusal(
      merge(mixed),
      'backbone-mismatch',
      /head "segmentation" was made on backbone [0-9a-f]{12}, but is merged with/,
    );
  });
});

describe('a checkpoint that does not fit the model', () => {
  const LAYER = 'backbone.block3.depthwise';

  it('is refused when it was made for another graph', async () => {
    const { model } = await world.rig.outputs({ ...modelOrder, settings: { ...modelOrder.settings, width: 8 } });
    const inputs = { ...(await world.calibrationBase()), model: model as string, backbone: await world.backbone() };
    await expectRefusal(
      calibrate('backbone', 'detection', inputs),
      'load-order',
      /"backbone" was made for another model graph/,
    );
  });

  it('is refused when it holds another scope', async () => {
    const inputs = await headInputs({ head: await world.calibratedHead('detection') });
    await expectRefusal(
      qat('head', 'segmentation', inputs),
      'load-order',
      /"head" holds scope "detection", but "segmentation" is loaded here/,
    );
  });

  it('is refused when a tensor is missing, new, or of another shape', async () => {
    const backbone = await world.backbone();
    const [zero, two] = [floatTensor([1], new Float32Array(1)), floatTensor([2], new Float32Array(2))];
    for (const [file, message] of [
      [await without(backbone, `parameter.${LAYER}.bn.mean`), /lacks tensor "backbone.block3.depthwise.bn.mean"/],
      [
        await withTensor(backbone, 'parameter.stray', zero),
        /holds tensor "stray", which scope "backbone" does not have/,
      ],
      [
        await withTensor(backbone, `parameter.${LAYER}.bn.mean`, two),
        /"backbone.block3.depthwise.bn.mean" of input "backbone" has shape \[2\], the model needs \[12\]/,
      ],
      [await withTensor(backbone, 'stray', zero), /tensor "stray" is no part of a checkpoint/],
    ] as const) {
      const inputs = { ...(await world.calibrationBase()), backbone: file };
      await expectRefusal(calibrate('backbone', 'detection', inputs), 'load-order', message);
    }
  });

  it('is refused when a scale or a range is missing or belongs to nothing', async () => {
    const [backbone, head] = [await world.calibratedBackbone(), await world.calibratedHead('segmentation')];
    const value = (layer: string) => ['min', 'max', 'scale'].map((field) => `activation.${layer}.relu.${field}`);
    const features = 'segmentation.features.depthwise';
    const one = floatTensor([1], Float32Array.of(1));
    for (const [overrides, message] of [
      [
        { backbone: await without(backbone, `activation.${LAYER}.relu.max`) },
        /"backbone.block3.depthwise.relu" lacks its min, max or scale/,
      ],
      [
        { backbone: await without(backbone, ...value(LAYER)) },
        /lacks the range of activation "backbone.block3.depthwise.relu"/,
      ],
      [
        { backbone: await without(backbone, `weight.${LAYER}.weight.scale`) },
        /lacks the scales of weight "backbone.block3.depthwise.weight"/,
      ],
      [
        { backbone: await withTensor(backbone, `weight.${LAYER}.weight.scale`, one) },
        /1 scales for weight "backbone.block3.depthwise.weight" with 12 channels/,
      ],
      [{ backbone: await withTensor(backbone, 'weight.stray.scale', one) }, /holds scales of weight "stray"/],
      [
        { head: await without(head, ...value(features)) },
        /lacks the range of activation "segmentation.features.depthwise.relu"/,
      ],
      [
        { head: await without(head, `weight.${features}.weight.scale`) },
        /lacks the scales of weight "segmentation.features.depthwise.weight"/,
      ],
    ] as const) {
      await expectRefusal(qat('head', 'segmentation', await headInputs(overrides)), 'load-order', message);
    }
  });

  it('is refused when it is calibrated by its word only: an averaging constant would take the first batch whole', async () => {
    const head = await altered(await world.calibratedHead('segmentation'), ({ tensors, metadata }) => {
      for (const name of [...tensors.keys()]) if (!name.startsWith('parameter.')) tensors.delete(name);
      delete metadata['profile'];
    });
    await expectRefusal(
      qat('head', 'segmentation', await headInputs({ head })),
      'load-order',
      /is in state calibrated, but holds no observed ranges: calibrate it first/,
    );
  });

  it('is refused when it is no checkpoint at all', async () => {
    const file = join(world.rig.root, 'not-a-checkpoint');
    await writeFile(file, 'surely not');
    const inputs = { ...(await world.calibrationBase()), backbone: file };
    await expectRefusal(calibrate('backbone', 'detection', inputs), 'load-order', /the checkpoint cannot be read/);
    const foreign = await altered(await world.backbone(), ({ metadata }) => delete metadata['format']);
    await expectRefusal(
      calibrate('backbone', 'detection', { ...inputs, backbone: foreign }),
      'load-order',
      /not a headgate checkpoint/,
    );
  });
});

describe('QAT with another profile than calibration', () => {
  it('is refused with both profiles', async () => {
    const order = qat('head', 'segmentation', await headInputs(), { profile: w4a4 });
    await expectRefusal(order, 'load-order', /was calibrated with profile \{.*"bits":8.*\}, QAT asks for \{.*"bits":4/);
  });

  it('is not refused for another spelling of the same profile', async () => {
    const profile = { activations: { bits: 8 }, weights: { bits: 8 } };
    expect(profile).toEqual(w8a8);
    const { result } = await world.rig.run(qat('head', 'segmentation', await headInputs(), { profile }));
    expect(result.status).toBe('succeeded');
  });
});
