// What the strategy says of itself, held by running it: nothing that must stand still moves.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { checkpointAt, digestsOf } from './artifacts.ts';
import { calibrate, qat, TASKS, training, validate, w4a4, w8a8 } from './orders.ts';
import type { Inputs } from './orders.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

const STILL = {
  training: { ...training(2, 0), optimizer: { kind: 'adamw', weightDecay: 0.1 } },
  activationScales: 'fixed',
  bn: 'frozen',
};

/** Everything but the state and how it came about. */
function tensorsOf({ parameters, quant }: ScopeCheckpoint): unknown {
  return { parameters, quant };
}

describe('QAT at learning rate 0 with fixed scales and frozen batch norm', () => {
  it.each([w8a8, w4a4])(
    'leaves every tensor and the accuracy of a calibrated head as they were (%j)',
    async (profile) => {
      const [backbone, head] = [
        await world.calibratedBackbone(profile),
        await world.calibratedHead('segmentation', profile),
      ];
      const after = await world.rig.outputs(
        qat('head', 'segmentation', { ...(await world.base()), backbone, head }, { ...STILL, profile }),
      );
      expect(tensorsOf(await checkpointAt(after['head'] as string))).toEqual(tensorsOf(await checkpointAt(head)));
      const measured = async (path: string) =>
        digestsOf(
          await world.rig.outputs(
            validate('segmentation', ['backbone', 'head'], { ...(await world.gateBase()), backbone, head: path }),
          ),
        );
      expect(await measured(after['head'] as string)).toEqual(await measured(head));
    },
  );

  it('leaves every tensor and the accuracy of a calibrated backbone as they were', async () => {
    const [backbone, head] = [await world.calibratedBackbone(), await world.head('detection')];
    const inputs = { ...(await world.base()), backbone, 'heads[detection]': head };
    const after = await world.rig.outputs(qat('backbone', 'detection', inputs, STILL));
    expect(tensorsOf(await checkpointAt(after['backbone'] as string))).toEqual(tensorsOf(await checkpointAt(backbone)));
    const measured = async (path: string) =>
      digestsOf(
        await world.rig.outputs(
          validate('detection', ['backbone'], { ...(await world.gateBase()), backbone: path, head }),
        ),
      );
    expect(await measured(after['backbone'] as string)).toEqual(await measured(backbone));
  });

  it('follows nothing with an averaging constant of 0 on loaded ranges', async () => {
    const [backbone, head] = [await world.calibratedBackbone(), await world.calibratedHead('segmentation')];
    const still = { ...STILL, activationScales: 'follow', averagingConstant: 0 };
    const after = await world.rig.outputs(
      qat('head', 'segmentation', { ...(await world.base()), backbone, head }, still),
    );
    expect(tensorsOf(await checkpointAt(after['head'] as string))).toEqual(tensorsOf(await checkpointAt(head)));
  });
});

describe('VALIDATION', () => {
  it('twice gives equal bytes and moves no tensor of what it read', async () => {
    const inputs: Inputs = {
      ...(await world.gateBase()),
      backbone: await world.calibratedBackbone(),
      head: await world.calibratedHead('detection'),
    };
    const { 'data[gate]': _data, ...files } = inputs;
    const before = await digestsOf(files);
    const once = async () => digestsOf(await world.rig.outputs(validate('detection', ['backbone', 'head'], inputs)));
    expect(await once()).toEqual(await once());
    expect(await digestsOf(files)).toEqual(before);
  });

  it('is held per scope: each mixture of states is another measurement, in whatever order they are named', async () => {
    const [backbone, head] = [await world.calibratedBackbone(w4a4), await world.calibratedHead('segmentation', w4a4)];
    const [floatBackbone, floatHead] = [await world.backbone(), await world.head('segmentation')];
    const measured = async (quantized: readonly ('backbone' | 'head')[], scopes: Inputs): Promise<string> => {
      const { details } = await world.rig.outputs(
        validate('segmentation', quantized, { ...(await world.gateBase()), ...scopes }),
      );
      return readFile(details as string, 'utf8');
    };
    const neither = await measured([], { backbone: floatBackbone, head: floatHead });
    const first = await measured(['backbone'], { backbone, head: floatHead });
    const both = await measured(['backbone', 'head'], { backbone, head });
    expect(new Set([neither, first, both]).size).toBe(3);
    expect(await measured(['head', 'backbone'], { head, backbone })).toBe(both);
  });
});

describe('calibration', () => {
  it('of a head sees the quantised backbone, not the float one', async () => {
    const ranges = async (profile: typeof w8a8) => {
      const order = calibrate(
        'head',
        'segmentation',
        {
          ...(await world.calibrationBase()),
          backbone: await world.calibratedBackbone(profile),
          head: await world.head('segmentation'),
        },
        { profile: w8a8 },
      );
      const { head } = await world.rig.outputs(order);
      return (await checkpointAt(head as string)).quant?.activations;
    };
    expect(await ranges(w4a4)).not.toEqual(await ranges(w8a8));
  });

  it.each(TASKS)('with 16-bit activations and 8-bit weights stays within a point of float (%s)', async (task) => {
    const profile = { weights: { bits: 8 }, activations: { bits: 16 } };
    const [float, quantised]: readonly [JobOrder, JobOrder] = [
      validate(task, [], {
        ...(await world.gateBase()),
        backbone: await world.backbone(),
        head: await world.head(task),
      }),
      validate(task, ['backbone', 'head'], {
        ...(await world.gateBase()),
        backbone: await world.calibratedBackbone(profile),
        head: await world.calibratedHead(task, profile),
      }),
    ];
    const valueOf = async (order: JobOrder): Promise<number> => {
      const { result } = await world.rig.run(order);
      return result.status === 'succeeded' ? (result.summary['value'] as number) : NaN;
    };
    expect(Math.abs((await valueOf(float)) - (await valueOf(quantised)))).toBeLessThan(0.01);
  });
});
