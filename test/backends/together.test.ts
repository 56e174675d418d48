// Backbone and heads trained in one step, float and quantised, with every further setting of a training on: a run that was
// interrupted ends in the same bytes, and what comes out can be measured together.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { digestsOf } from './artifacts.ts';
import { TASKS, taskSettings, training, validate, w8a8 } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

const EVERYTHING: JsonObject = {
  ...training(3, 0.002),
  clipNorm: 1,
  ema: { decay: 0.9 },
  freezeBatchNormAfter: { epochs: 1 },
  augment: { flip: 0.5, scale: [0.8, 1.1], brightness: 0.2, contrast: 0.2 },
};

async function data() {
  return {
    model: await world.model(),
    ...Object.fromEntries(TASKS.map((task) => [`data[${task}.train]`, world.trainData])),
  };
}

const tasks = TASKS.map((task) => taskSettings[task]);
const weights = { detection: 1, segmentation: 0.5 };

async function joint(more: JsonObject): Promise<JobOrder> {
  return {
    kind: 'qat',
    settings: {
      scope: 'all',
      tasks,
      profile: w8a8,
      training: EVERYTHING,
      activationScales: 'follow',
      averagingConstant: 0.01,
      bn: 'train',
      objective: { tasks: weights, distill: 0 },
      ...more,
    },
    inputs: {
      ...(await data()),
      backbone: await world.calibratedBackbone(),
      'heads[detection]': await world.calibratedHead('detection'),
      'heads[segmentation]': await world.calibratedHead('segmentation'),
    },
  };
}

const orders: { readonly [name: string]: () => Promise<JobOrder> } = {
  'float training of backbone and heads': async () => ({
    kind: 'train',
    settings: { train: ['backbone', 'heads'], tasks, weights, training: EVERYTHING },
    inputs: await data(),
  }),
  'joint QAT with following scales': () => joint({ freezeObserversAfter: { steps: 6 }, straightThrough: 'inclusive' }),
  'joint QAT with learned scales': () =>
    joint({ activationScales: 'learned', weightScales: 'learned', scaleRate: 0.1 }),
  'joint QAT of folded layers': () => joint({ bn: 'folded', activationScales: 'fixed' }),
};

describe.each(Object.keys(orders))('%s', (name) => {
  it('gives one checkpoint for each scope, and the same bytes when it was interrupted', async () => {
    const order = await (orders[name] as () => Promise<JobOrder>)();
    const whole = await world.rig.outputs(order);
    expect(Object.keys(whole).sort()).toEqual(['backbone', 'head[detection]', 'head[segmentation]', 'report']);
    const job = await world.rig.step(order);
    await job.until('resume-state', 1);
    job.process.kill('SIGINT');
    await job.ended();
    const continued = await world.rig.run({ ...order, resumeFrom: join(job.folder, 'resume') });
    expect(await digestsOf(outputsOf(continued))).toEqual(await digestsOf(whole));
    const quantized = name.startsWith('joint') ? (['backbone', 'head'] as const) : [];
    for (const task of TASKS) {
      const inputs = {
        ...(await world.gateBase()),
        backbone: whole['backbone'] as string,
        head: whole[`head[${task}]`] as string,
      };
      expect((await world.rig.run(validate(task, quantized, inputs))).result.status).toBe('succeeded');
    }
  });
});
