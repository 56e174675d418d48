// Stopping: by a stop stage, by one SIGINT, by two. Jobs stand exactly where the test holds them.
import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/store/store.ts';
import type { Digest } from '../../src/support/digest.ts';
import { Conductor } from '../support/conductor.ts';
import { Engine, ofType, statesOf } from '../support/engine.ts';
import { ELSE, gate, job, metricsStage, plan, stage } from '../support/plans.ts';

let engine: Engine;
let conductor: Conductor;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
  conductor = await Conductor.inNewFolder();
});
afterEach(async () => {
  await conductor.remove();
  await engine.remove();
});

const training = (id = 'train', steps = 5) =>
  job(id, { steps, conductor: conductor.path, outputs: { out: { chain: true } } });
const chainOf = async (planned: ReturnType<typeof plan>): Promise<string> => {
  const other = await Engine.inNewFolder();
  const { events } = await other.run(planned);
  await other.remove();
  return ofType(events, 'stage-succeeded').at(-1)?.outputs['out']?.digest ?? '';
};

describe('one interrupt', () => {
  test('asks the job for a resume state, ends with 130, and the next run goes on from there to the same bytes', async () => {
    const uninterrupted = await chainOf(plan([training()]));
    conductor.points.length = 0;
    const held = conductor.hold('train step 3');
    const run = await engine.start(plan([training(), job('after', {}, { inputs: { in: 'train.out' } })]));
    await held;
    run.interrupt('SIGINT');
    expect(await run.finished).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
    expect(statesOf(run.events)).toEqual({ train: 'cancelled' });
    expect(ofType(run.events, 'stage-cancelled')).toMatchObject([{ checkpointed: true }]);

    const next = await engine.run(plan([training()]));
    expect(ofType(next.events, 'stage-started')).toMatchObject([{ resumed: true }]);
    expect(conductor.points.filter((point) => point.startsWith('train step'))).toEqual(
      [1, 2, 3, 4, 5].map((n) => `train step ${n}`),
    );
    expect(ofType(next.events, 'stage-succeeded')[0]?.outputs['out']?.digest).toBe(uninterrupted);
  });
});

test('the record of a stage that was stopped and went on holds the time of all its attempts', async () => {
  const held = conductor.hold('train step 3');
  const run = await engine.start(plan([training()]));
  await held;
  run.interrupt('SIGINT');
  await run.finished;
  const { resume } = openStore(engine.root).layout;
  const [key = ''] = await readdir(resume);
  const [state = ''] = await readdir(join(resume, key));
  expect(state).toMatch(/^000001-\d+$/);
  await rename(join(resume, key, state), join(resume, key, '000001-600000')); // as if it had worked for ten minutes

  const { events } = await engine.run(plan([training()]));
  expect(ofType(events, 'stage-started')).toMatchObject([{ resumed: true }]);
  const [{ milliseconds } = { milliseconds: 0 }] = ofType(events, 'stage-succeeded');
  expect(milliseconds).toBeGreaterThanOrEqual(600_000);
  expect((await openStore(engine.root).actions.read(key as Digest))?.madeBy.milliseconds).toBe(milliseconds);
});

test('a second interrupt kills a job that does not listen', async () => {
  const held = conductor.hold('deaf step 1');
  const deaf = job('deaf', { steps: 2, deaf: true, conductor: conductor.path });
  const run = await engine.start(plan([deaf]));
  await held;
  run.interrupt('SIGINT');
  run.interrupt('SIGINT');
  expect(await run.finished).toMatchObject({ exitCode: 130 });
  // What it had written before is not lost.
  const next = await engine.run(plan([deaf]));
  expect(ofType(next.events, 'stage-started')).toMatchObject([{ resumed: true }]);
});

describe('a stop stage', () => {
  const stopping = () =>
    plan([
      training('long'),
      job('before', { conductor: conductor.path }),
      metricsStage('check', 0.5, { after: ['before'] }),
      gate('gate', 'check.metrics', [
        { name: 'pass', criteria: [{ metric: 'primary', atLeast: 0.9 }] },
        ELSE('hopeless'),
      ]),
      stage('give-up', 'stop', {
        after: ['gate:hopeless'],
        settings: { reason: 'The backbone lost half of its accuracy.' },
      }),
      job('never', {}, { after: ['gate:pass'] }),
    ]);

  test('ends the run with exit code 3 and its reason; running jobs keep their resume state, nothing new starts', async () => {
    // Two cores are enough for the training and the check beside it.
    const [long, before] = [conductor.hold('long step 2'), conductor.hold('before started')];
    const run = await engine.start(stopping(), { resources: { cpu: 2 } });
    await long;
    (await before).go(); // the gate decides while the training stands at its second step
    expect(await run.finished).toMatchObject({ outcome: 'stopped', exitCode: 3 });
    expect(ofType(run.events, 'run-stopped')).toMatchObject([
      { stage: 'give-up', reason: 'The backbone lost half of its accuracy.', gates: ['gate'] },
    ]);
    expect(statesOf(run.events)).toMatchObject({ long: 'cancelled', never: 'not-taken' });
    expect(ofType(run.events, 'stage-cancelled')).toMatchObject([{ checkpointed: true }]);
  });
});

describe('resources', () => {
  const pair = (options: Parameters<typeof job>[2]) =>
    plan([
      job('a', { conductor: conductor.path }, options),
      job('b', { conductor: conductor.path, other: true }, options),
    ]);

  test('stages run beside each other when there is room', async () => {
    const [a, b] = [conductor.hold('a started'), conductor.hold('b started')];
    const run = await engine.start(pair({}), { resources: { cpu: 2 } });
    const both = await Promise.all([a, b]); // each waits for the other
    both.forEach((held) => held.go());
    expect((await run.finished).exitCode).toBe(0);
  });

  test.each([
    ['one core', {}, { resources: { cpu: 1 } }],
    ['two cores, two threads each', { threads: 2 }, { resources: { cpu: 2 } }],
    ['one gpu', { resources: { gpu: 1 } }, { resources: { cpu: 8 } }],
    ['one job at a time', {}, { resources: { cpu: 8 }, jobs: 1 }],
  ])('stages wait for %s', async (_, options, settings) => {
    const a = conductor.hold('a started');
    const run = await engine.start(pair(options), settings);
    const held = await a;
    expect(ofType(run.events, 'stage-started').map(({ stage }) => stage)).toEqual(['a']);
    held.go();
    await run.finished;
    expect(conductor.points).toEqual(['a started', 'a finished', 'b started', 'b finished']);
  });

  test('a stage that asks for more than there is runs with what there is, and people are told', async () => {
    const { outcome, events } = await engine.run(pair({ resources: { gpu: 4 } }), { resources: { gpu: 2 } });
    expect(outcome.exitCode).toBe(0);
    expect(ofType(events, 'job-reported').map(({ stage, event }) => [stage, event])).toEqual(
      ['a', 'b'].map((id) => [
        id,
        { type: 'note', level: 'warning', text: 'asks for gpu=4 and there is gpu=2: it runs with that' },
      ]),
    );
  });
});
