// A training that is interrupted and continued gives the very bytes of one that was not. The worker's events file is a named
// pipe, so that it stands still at an event until the test lets it go on: every interruption comes where it is meant to.
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestsOf } from './artifacts.ts';
import { altered } from './altered.ts';
import { calibrate, finetune, qat, train, training } from './orders.ts';
import { outputsOf } from './worker-rig.ts';
import type { DoneJob, JobOrder, SteppedJob } from './worker-rig.ts';
import { World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.remove());

/** Four steps each. */
const EPOCHS = 5;
const FULL = 'qat of a backbone, statistics and ranges following';
const HEAD = 'qat of a head';
const LAST = { training: training(EPOCHS, 0.01) };
/** Rates at which the best epoch is not the last one. */
const BEST = {
  training: {
    ...training(EPOCHS, 0.05),
    schedule: { kind: 'constant' },
    ema: { decay: 0.5 },
    divergenceFactor: 100,
    validation: { every: 1, keep: 'best', earlyStopping: { patience: 4, minDelta: 0 } },
  },
};

const trainings: { readonly [name: string]: () => Promise<JobOrder> } = {
  'train of backbone and head': async () => train(['backbone', 'head'], 'detection', await world.base(), LAST),
  'train of a head': async () =>
    train(['head'], 'segmentation', { ...(await world.base()), backbone: await world.backbone() }, LAST),
  [FULL]: async () => qat('backbone', 'detection', await backboneInputs(), LAST),
  [HEAD]: async () =>
    qat(
      'head',
      'segmentation',
      {
        ...(await world.base()),
        backbone: await world.calibratedBackbone(),
        head: await world.calibratedHead('segmentation'),
      },
      LAST,
    ),
  'qat of a head whose best epoch is kept': async () => ({
    ...(await orderOf(HEAD)),
    settings: { ...(await orderOf(HEAD)).settings, ...BEST },
  }),
  'train of backbone and head whose best epoch is kept': async () =>
    train(['backbone', 'head'], 'detection', await world.base(), BEST),
  'finetune with distillation': async () =>
    finetune(
      'segmentation',
      { ...(await world.base()), backbone: await world.calibratedBackbone(), head: await world.head('segmentation') },
      { ...LAST, distill: 0.5 },
    ),
};

type Digests = Awaited<ReturnType<typeof digestsOf>>;
const whole = new Map<string, Promise<Digests>>();

/** What a training gives when nothing comes in between, made once. */
function uninterrupted(name: string): Promise<Digests> {
  const made = whole.get(name) ?? orderOf(name).then(async (order) => digestsOf(await world.rig.outputs(order)));
  whole.set(name, made);
  return made;
}

function orderOf(name: string): Promise<JobOrder> {
  return (trainings[name] as () => Promise<JobOrder>)();
}

async function backboneInputs() {
  return {
    ...(await world.base()),
    backbone: await world.calibratedBackbone(),
    'heads[detection]': await world.head('detection'),
  };
}

interface Stop {
  readonly how: string;
  /** Let `epochs` epochs end before. */
  readonly epochs: number;
  stop(job: SteppedJob): Promise<DoneJob | undefined>;
}

const sigint = (epochs: number): Stop => ({
  how: 'SIGINT',
  epochs,
  stop: (job) => interrupted(job, () => job.process.kill('SIGINT')),
});
const sigkill = (epochs: number): Stop => ({
  how: 'SIGKILL',
  epochs,
  stop: (job) => job.killed().then(() => undefined),
});
const few: readonly Stop[] = [sigint(2), sigkill(1)];
const all: readonly Stop[] = [
  sigint(0),
  sigint(3),
  { how: 'SIGTERM', epochs: 1, stop: (job) => interrupted(job, () => job.process.kill('SIGTERM')) },
  { how: 'the end of standard input', epochs: 2, stop: (job) => interrupted(job, () => job.process.stdin?.end()) },
  sigkill(1),
  sigkill(4),
];

async function interrupted(job: SteppedJob, act: () => unknown): Promise<DoneJob> {
  act();
  const done = await job.ended();
  expect(done.result).toEqual({ protocol: 1, token: done.result.token, status: 'interrupted' });
  return done;
}

async function afterEpochs(job: SteppedJob, epochs: number): Promise<void> {
  if (epochs > 0) await job.until('resume-state', epochs);
  else await job.next();
}

describe.each(Object.keys(trainings))('%s', (name) => {
  const order = (): Promise<JobOrder> => orderOf(name);

  it.each(name === FULL ? all : few)(
    'interrupted by $how after $epochs epochs gives the same bytes when continued',
    async ({ epochs, stop }) => {
      const job = await world.rig.step(await order());
      await afterEpochs(job, epochs);
      await stop(job);
      const continued = await world.rig.run({ ...(await order()), resumeFrom: join(job.folder, 'resume') });
      expect(await digestsOf(outputsOf(continued))).toEqual(await uninterrupted(name));
      const ended = continued.events.filter(({ type }) => type === 'resume-state').length;
      expect(ended).toBeLessThanOrEqual(EPOCHS - epochs);
    },
  );

  it('interrupted twice, the second time while it continues, gives the same bytes', async () => {
    const first = await world.rig.step(await order());
    await afterEpochs(first, 1);
    await interrupted(first, () => first.process.kill('SIGINT'));
    const second = await world.rig.step({ ...(await order()), resumeFrom: join(first.folder, 'resume') });
    await afterEpochs(second, 1);
    await interrupted(second, () => second.process.kill('SIGINT'));
    const third = await world.rig.outputs({ ...(await order()), resumeFrom: join(second.folder, 'resume') });
    expect(await digestsOf(third)).toEqual(await uninterrupted(name));
  });
});

describe('a resume state', () => {
  it('is saved when the interruption comes before the first step', async () => {
    const job = await world.rig.step(train(['backbone', 'head'], 'detection', await world.base(), LAST));
    job.process.stdin?.end();
    const { result, events, folder } = await job.ended();
    expect(result.status).toBe('interrupted');
    expect(events).toEqual([{ type: 'resume-state', step: 0 }]);
    expect(await readdir(join(folder, 'resume'))).toEqual(['state.safetensors']);
  });

  it('that cannot be read is ignored: the training starts over and gives the same bytes', async () => {
    const order = await orderOf(HEAD);
    const job = await world.rig.step(order);
    await afterEpochs(job, 1);
    await interrupted(job, () => job.process.kill('SIGINT'));
    const expected = await uninterrupted(HEAD);
    const state = join(job.folder, 'resume', 'state.safetensors');
    const damages: readonly ((path: string) => Promise<string | undefined>)[] = [
      async () => undefined,
      (path) => altered(path, ({ metadata }) => delete metadata['progress']),
      (path) => altered(path, ({ metadata }) => (metadata['progress'] = '{"step": 3')),
      (path) => altered(path, ({ metadata }) => (metadata['progress'] = '{"step": -1, "lossSums": {}, "epochs": []}')),
      (path) => altered(path, ({ tensors }) => tensors.delete('second')),
    ];
    for (const [index, damage] of damages.entries()) {
      const folder = join(world.rig.root, `damaged${index}`);
      await mkdir(folder);
      const copy = await damage(state);
      const bytes = await readFile(copy ?? state);
      await writeFile(join(folder, 'state.safetensors'), copy === undefined ? bytes.subarray(0, 200) : bytes);
      expect(await digestsOf(await world.rig.outputs({ ...order, resumeFrom: folder }))).toEqual(expected);
    }
  });

  it('is not needed: an empty folder starts from the beginning', async () => {
    const folder = join(world.rig.root, 'empty');
    await mkdir(folder);
    const started = { ...(await orderOf(HEAD)), resumeFrom: folder };
    expect(await digestsOf(await world.rig.outputs(started))).toEqual(await uninterrupted(HEAD));
  });
});

describe('a job without a resume state', () => {
  it('stops between batches and says so', async () => {
    const inputs = { ...(await world.calibrationBase()), backbone: await world.backbone() };
    const job = await world.rig.step(calibrate('backbone', 'detection', inputs, { batches: 4 }));
    job.process.stdin?.end();
    expect((await job.ended()).result.status).toBe('interrupted');
  });
});
