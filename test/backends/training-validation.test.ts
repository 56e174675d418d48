// Trainings that measure on the gate split while they train: what is kept is what a validate stage measures, what goes nowhere
// fails with its own reason.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { finetune, qat, qatOfAll, taskSettings, TASKS, train, training, validate, type Task } from './orders.ts';
import type { JobOrder } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

interface Report {
  readonly steps: number;
  readonly epochs: readonly object[];
  readonly startLoss?: number;
  readonly validation: {
    readonly task: string;
    readonly metric: string;
    readonly values: readonly { readonly epoch: number; readonly value: number }[];
    readonly kept: number;
    readonly stopped: boolean;
  };
}

const EPOCHS = 4;
const restless = (keep: 'best' | 'last', more: JsonObject = {}): { readonly training: JsonObject } => ({
  training: {
    ...training(EPOCHS, 0.08),
    schedule: { kind: 'constant' },
    validation: { every: 1, keep, ...more },
  },
});

async function read<T>(path: string | undefined): Promise<T> {
  return JSON.parse(await readFile(path ?? '', 'utf8')) as T;
}

async function measured(task: Task, quantized: readonly ('backbone' | 'head')[], scopes: JsonObject): Promise<number> {
  const inputs = { ...(await world.gateBase()), ...(scopes as { readonly [port: string]: string }) };
  const { metrics } = await world.rig.outputs(validate(task, quantized, inputs));
  const { primary, values } = await read<{ primary: string; values: { [metric: string]: number } }>(metrics);
  return values[primary] ?? Number.NaN;
}

type Outputs = { readonly [port: string]: string };

interface Kind {
  readonly what: string;
  order(settings: JsonObject): Promise<JobOrder>;
  readonly task: Task;
  readonly quantized: readonly ('backbone' | 'head')[];
  scopes(outputs: Outputs): Promise<JsonObject>;
  readonly of?: Task;
}

const together = (settings: JsonObject): JsonObject => {
  const { training: asked } = settings;
  if ((asked as JsonObject)['validation'] === undefined) return settings;
  return {
    training: {
      ...(asked as JsonObject),
      validation: { ...((asked as JsonObject)['validation'] as JsonObject), task: 'segmentation' },
    },
  };
};

const kinds: readonly Kind[] = [
  {
    what: 'train of backbone and head',
    order: async (settings) => train(['backbone', 'head'], 'segmentation', await world.base(), settings),
    task: 'segmentation',
    quantized: [],
    scopes: ({ backbone = '', head = '' }) => Promise.resolve({ backbone, head }),
  },
  {
    what: 'train of all heads',
    order: async (settings) => ({
      kind: 'train',
      settings: { train: ['backbone', 'heads'], tasks: TASKS.map((task) => taskSettings[task]), ...together(settings) },
      inputs: await world.base(),
    }),
    task: 'segmentation',
    quantized: [],
    scopes: (outputs) =>
      Promise.resolve({ backbone: outputs['backbone'] ?? '', head: outputs['head[segmentation]'] ?? '' }),
  },
  {
    what: 'finetune',
    order: async (settings) =>
      finetune(
        'segmentation',
        { ...(await world.base()), backbone: await world.calibratedBackbone(), head: await world.head('segmentation') },
        settings,
      ),
    task: 'segmentation',
    quantized: ['backbone'],
    scopes: async ({ head = '' }) => ({ backbone: await world.calibratedBackbone(), head }),
  },
  {
    what: 'qat of a backbone',
    order: async (settings) =>
      qat(
        'backbone',
        'detection',
        {
          ...(await world.base()),
          backbone: await world.calibratedBackbone(),
          'heads[detection]': await world.head('detection'),
        },
        settings,
      ),
    task: 'detection',
    quantized: ['backbone'],
    scopes: async ({ backbone = '' }) => ({ backbone, head: await world.head('detection') }),
  },
  {
    what: 'qat of a head',
    order: async (settings) =>
      qat(
        'head',
        'segmentation',
        {
          ...(await world.base()),
          backbone: await world.calibratedBackbone(),
          head: await world.calibratedHead('segmentation'),
        },
        settings,
      ),
    task: 'segmentation',
    quantized: ['backbone', 'head'],
    scopes: async ({ head = '' }) => ({ backbone: await world.calibratedBackbone(), head }),
  },
  {
    what: 'qat of everything',
    order: async (settings) =>
      qatOfAll(
        {
          ...(await world.base()),
          backbone: await world.calibratedBackbone(),
          'heads[detection]': await world.calibratedHead('detection'),
          'heads[segmentation]': await world.calibratedHead('segmentation'),
        },
        together(settings),
      ),
    task: 'segmentation',
    quantized: ['backbone', 'head'],
    scopes: (outputs) =>
      Promise.resolve({ backbone: outputs['backbone'] ?? '', head: outputs['head[segmentation]'] ?? '' }),
  },
];

describe.each(kinds)('$what', ({ order, task, quantized, scopes }) => {
  it.each(['best', 'last'] as const)('keeps its %s epoch, and measured it as a validate stage does', async (keep) => {
    const outputs = await world.rig.outputs(await order(restless(keep)));
    const { validation, steps } = await read<Report>(outputs['report']);
    expect(validation).toMatchObject({ task, stopped: false });
    expect(validation.values.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3, 4]);
    expect(steps).toBe(16);
    const best = Math.max(...validation.values.map(({ value }) => value));
    const earliest = validation.values.find(({ value }) => value === best)?.epoch;
    expect(validation.kept).toBe(keep === 'best' ? earliest : EPOCHS);
    const kept = validation.values.find(({ epoch }) => epoch === validation.kept)?.value;
    expect(await measured(task, quantized, await scopes(outputs))).toBe(kept);
  });
});

describe('a training', () => {
  const head = kinds[4] as Kind;

  it('is what it is without validation, bit for bit, where the last epoch is kept', async () => {
    const { training: asked } = restless('last');
    const { validation: _, ...plain } = asked;
    const [watched, alone] = [
      await world.rig.outputs(await head.order({ training: { ...asked, divergenceFactor: 1000 } })),
      await world.rig.outputs(await head.order({ training: plain })),
    ];
    expect(await readFile(watched['head'] ?? '')).toEqual(await readFile(alone['head'] ?? ''));
  });

  it('ends early where nothing improves for as long as it is patient, and validates every n epochs and at its end', async () => {
    const patient = await head.order(restless('best', { earlyStopping: { patience: 1, minDelta: 1 } }));
    const stopped = await read<Report>((await world.rig.outputs(patient))['report']);
    expect(stopped).toMatchObject({ steps: 4, validation: { stopped: true } });
    expect(stopped.epochs).toHaveLength(1);
    const rare = await read<Report>(
      (await world.rig.outputs(await head.order(restless('last', { every: 3 }))))['report'],
    );
    expect(rare.validation.values.map(({ epoch }) => epoch)).toEqual([0, 3, 4]);
  });

  it('at a learning rate of 100 fails with its own reason, from any start', async () => {
    for (const { order } of kinds) {
      const wild = { training: { ...training(EPOCHS, 100), divergenceFactor: 2 } };
      const { result } = await world.rig.run(await order(wild));
      expect(result).toMatchObject({ status: 'failed' });
      if (result.status === 'failed') expect(['training-diverged', 'loss-not-finite']).toContain(result.failure.reason);
    }
  });

  it('whose metric never moves fails with its own reason', async () => {
    // Batch norm and scales held: nothing but the weights could move, and they do not.
    const still = {
      bn: 'frozen',
      activationScales: 'fixed',
      training: { ...training(EPOCHS, 1e-12), validation: { every: 1, keep: 'last' } },
    };
    const { result } = await world.rig.run(await head.order(still));
    expect(result).toMatchObject({ status: 'failed', failure: { reason: 'training-stuck' } });
  });
});
