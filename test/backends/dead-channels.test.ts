// Pruned channels through the jobs: calibration, QAT and analysis go on, and name them.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { JobEvent } from '../../src/events/job-protocol.ts';
import { EPSILON } from '../../src/qat/quantize/scheme.ts';
import { altered } from './altered.ts';
import { checkpointAt, jsonAt } from './artifacts.ts';
import { analyze, calibrate, qat } from './orders.ts';
import type { Sensitivity } from './sensitivity.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

const [BY_GAMMA, BY_WEIGHT] = ['backbone.block3.depthwise.weight', 'backbone.block2.pointwise.weight'];

/** One channel with a γ of 0; of another layer most channels with weights of 0. */
const pruned = async (): Promise<string> =>
  altered(await world.backbone(), ({ tensors }) => {
    const change = (name: string, count: number): void => {
      const tensor = tensors.get(`parameter.${name}`);
      const data = (tensor?.data as Float32Array).slice().fill(0, 0, count);
      tensors.set(`parameter.${name}`, { dtype: 'float32', shape: tensor?.shape ?? [], data });
    };
    change('backbone.block3.depthwise.bn.gamma', 1);
    change(BY_WEIGHT, 7 * 8);
  });

/** Of filters of one layer that was trained. */
const LARGEST_SPREAD = 100;

interface Named {
  readonly channels: {
    readonly allZero: { readonly [weight: string]: readonly number[] };
    readonly smallestScale: { readonly [weight: string]: readonly number[] };
  };
}

async function run(order: JobOrder) {
  const { result, events, folder } = await world.rig.run(order);
  expect(result).toMatchObject({ status: 'succeeded' });
  const warnings = events.filter((event: JobEvent) => event.type === 'note' && event.level === 'warning');
  return {
    warnings,
    report: await jsonAt<Named & Sensitivity>(`${folder}/out/report.json`),
    backbone: `${folder}/out/backbone.safetensors`,
  };
}

const bothNamed = [BY_WEIGHT, BY_GAMMA].map((weight) => ({
  text: expect.stringContaining(
    weight === BY_GAMMA
      ? `weight "${weight}": 1 of 12 channels are all zero and give their bias alone (0)`
      : `weight "${weight ?? ''}": 7 of 12 channels are all zero and give their bias alone (0, 1, 2, 3, 4, 5, 6)`,
  ) as string,
}));

it('calibration, QAT with batch norm divided out, and analysis name the channels and end with scales that are none of 0', async () => {
  const inputs = { ...(await world.calibrationBase()), backbone: await pruned() };
  const calibrated = await run(calibrate('backbone', 'detection', inputs));
  expect(calibrated.warnings).toMatchObject(bothNamed);
  const allZero = { [BY_GAMMA]: [0], [BY_WEIGHT]: [0, 1, 2, 3, 4, 5, 6] };
  expect(calibrated.report.channels).toEqual({ allZero, smallestScale: {} });
  const { quant } = await checkpointAt(calibrated.backbone);
  expect(quant?.weights.get(BY_GAMMA)?.[0]).toBe(EPSILON);

  // Nothing moves at a learning rate of 0, so that the channels are as dead afterwards.
  const order = qat(
    'backbone',
    'detection',
    { ...(await world.base()), backbone: calibrated.backbone, 'heads[detection]': await world.head('detection') },
    {
      training: {
        epochs: 1,
        batch: 16,
        learningRate: 0,
        schedule: { kind: 'constant' },
        optimizer: { kind: 'adamw', weightDecay: 0 },
      },
    },
  );
  const trained = await run(order);
  expect(trained.warnings).toMatchObject(bothNamed);
  expect(trained.report.channels).toEqual({ allZero, smallestScale: {} });

  const analysed = await run(
    analyze('backbone', 'detection', {
      ...(await world.gateBase()),
      backbone: inputs.backbone,
      head: await world.head('detection'),
    }),
  );
  // Over the five channels that are alive: the median of all twelve is 0.
  const { layers } = analysed.report;
  const mostlyDead = layers.find(({ layer }) => layer === BY_WEIGHT);
  expect(mostlyDead?.weights?.spread).toBeGreaterThanOrEqual(1);
  expect(mostlyDead?.weights?.spread).toBeLessThan(LARGEST_SPREAD);
});
