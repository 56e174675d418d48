// Backbone and heads trained in one step, float and quantised, with every further setting of a training on: a run that was
// interrupted ends in the same bytes, and what comes out can be measured together.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { digestsOf, jsonAt } from './artifacts.ts';
import { qatOfAll, TASKS, taskSettings, training, validate } from './orders.ts';
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
  const inputs = {
    ...(await data()),
    backbone: await world.calibratedBackbone(),
    'heads[detection]': await world.calibratedHead('detection'),
    'heads[segmentation]': await world.calibratedHead('segmentation'),
  };
  return qatOfAll(inputs, { training: EVERYTHING, objective: { tasks: weights, distill: 0 }, ...more });
}

async function teachers() {
  return {
    teacher: await world.backbone(),
    'teachers[detection]': await world.head('detection'),
    'teachers[segmentation]': await world.head('segmentation'),
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
  'joint QAT towards the float model': async () => {
    const order = await joint({
      objective: { tasks: weights, distill: 0.5, distance: { kind: 'kl', temperature: 2 } },
    });
    return { ...order, inputs: { ...order.inputs, ...(await teachers()) } };
  },
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

describe('joint QAT with a distance to the float model', () => {
  async function distilled(distance: JsonObject) {
    const unlabelled = TASKS.map((task) => ({ ...taskSettings[task], loss: null }));
    const order = await joint({
      tasks: unlabelled,
      training: training(4, 0.002),
      objective: { tasks: weights, distill: 2, ...distance },
    });
    const outputs = await world.rig.outputs({ ...order, inputs: { ...order.inputs, ...(await teachers()) } });
    const { epochs } = await jsonAt<{ readonly epochs: readonly { readonly [loss: string]: number }[] }>(
      outputs['report'] as string,
    );
    const [first, last] = [epochs[0], epochs.at(-1)];
    const distances = ['loss.distill.detection.out', 'loss.distill.segmentation.out'];
    expect(Object.keys(first ?? {}).sort()).toEqual(['loss', ...distances]);
    const [one = 0, other = 0] = distances.map((name) => first?.[name]);
    expect(first?.['loss']).toBeCloseTo(2 * (one + other), 5);
    expect(last?.['loss']).toBeLessThan(first?.['loss'] as number);
    return [one, other] as const;
  }

  it('minimises it for every head, and needs no labels then', async () => {
    const plain = await distilled({});
    const normalised = await distilled({ distance: { kind: 'nmse' } });
    expect(Math.abs(Math.log(plain[0] / plain[1]))).toBeGreaterThan(Math.abs(Math.log(normalised[0] / normalised[1])));
    for (const share of normalised) expect(share).toBeLessThan(1);
  });
});

describe('the training set of tasks that share a step', () => {
  const briefly = () => joint({ training: training(1, 0.002) });

  it('may be given once for all of them', async () => {
    const order = await briefly();
    const ofTasks = TASKS.map((task) => `data[${task}.train]`);
    const others = Object.entries(order.inputs ?? {}).filter(([port]) => !ofTasks.includes(port));
    const once = { ...order, inputs: { ...Object.fromEntries(others), 'data[train]': world.trainData } };
    expect(await digestsOf(await world.rig.outputs(once))).toEqual(await digestsOf(await world.rig.outputs(order)));
  });

  it('is one: another for each task is refused', async () => {
    const order = await briefly();
    const apart = { ...order, inputs: { ...order.inputs, 'data[detection.train]': world.gateData } };
    expect((await world.rig.run(apart)).result).toMatchObject({
      status: 'failed',
      failure: {
        reason: 'data',
        message: 'the tasks have different training sets',
        remedy: expect.stringContaining('as its input "data[train]"') as string,
      },
    });
  });
});
