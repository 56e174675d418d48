// What goes wrong around one stage's job, in the engine or in the system under it, is that stage's failure and no other's.
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { localExecutor } from '../../src/executors/local.ts';
import type { Executor } from '../../src/execute/ports.ts';
import { openStore } from '../../src/store/store.ts';
import { digestBytes } from '../../src/support/digest.ts';
import { Engine, ofType, type Finished } from '../support/engine.ts';
import { plan, script } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(() => engine.remove());

const WRITE = `require('fs').writeFileSync(process.argv[1], process.argv[2])`;
const stages = plan([
  script('bad', WRITE, { args: ['{output:out}', 'of bad'] }),
  script('good', WRITE, { args: ['{output:out}', 'of good'] }),
  script('reader', WRITE, { args: ['{output:out}', 'of reader'], inputs: { from: 'bad.out' } }),
]);

async function leftovers(): Promise<readonly string[]> {
  const { layout } = openStore(engine.root);
  const runs = await readdir(layout.runs);
  const locks = await Promise.all(runs.map(async (run) => readdir(join(layout.runs, run))));
  return [...(await readdir(layout.claims)), ...locks.flat().filter((name) => name.startsWith('lock'))];
}

function onlyBadFailed({ outcome, states }: Finished): void {
  expect(outcome).toMatchObject({ outcome: 'failed', exitCode: 1 });
  expect(states).toEqual({ bad: 'failed', good: 'succeeded', reader: 'blocked' });
}

test('a bug in what starts a job fails its stage with the stack, and everything else runs', async () => {
  const executor: Executor = {
    ...localExecutor,
    start: (launch) =>
      launch.jobFolder.includes('/bad/')
        ? Promise.reject(new Error('nobody expected this'))
        : localExecutor.start(launch),
  };
  const ended = await engine.run(stages, { executor, keepGoing: true });
  onlyBadFailed(ended);
  expect(ofType(ended.events, 'stage-failed')[0]?.failure).toMatchObject({
    reason: 'internal',
    problem: 'nobody expected this',
    stack: expect.stringContaining('stage-trouble.test') as string,
  });
  expect(await leftovers()).toEqual([]);
  expect((await engine.run(stages)).states).toEqual({ bad: 'succeeded', good: 'cached', reader: 'succeeded' });
});

test('an output that the store cannot take fails its stage with the words of the system', async () => {
  const { layout } = openStore(engine.root);
  await mkdir(layout.objects, { recursive: true });
  const inTheWay = join(layout.objects, digestBytes('of bad').slice(0, 2));
  await writeFile(inTheWay, 'a file where a folder belongs');
  const ended = await engine.run(stages, { keepGoing: true });
  onlyBadFailed(ended);
  const failure = ofType(ended.events, 'stage-failed')[0]?.failure;
  expect(failure).toMatchObject({ reason: 'machine-problem', help: expect.stringMatching(/path/) as string });
  expect(await leftovers()).toEqual([]);
  await rm(inTheWay);
  expect((await engine.run(stages)).states).toEqual({ bad: 'succeeded', good: 'cached', reader: 'succeeded' });
});

test('a record that cannot be written fails its stage, which is tried again as its workflow says', async () => {
  const { layout } = openStore(engine.root);
  await mkdir(join(layout.home), { recursive: true });
  await writeFile(layout.actions, 'a file where a folder belongs');
  const ended = await engine.run(plan([script('bad', WRITE, { args: ['{output:out}', 'x'] })]), { keepGoing: true });
  expect(ended.outcome.exitCode).toBe(1);
  expect(ofType(ended.events, 'stage-failed')[0]?.failure).toMatchObject({ reason: 'machine-problem' });
  expect(await leftovers()).toEqual([]);
});

test('a run that can tell nothing any more ends with the error, its jobs and its locks gone', async () => {
  const forever = plan([
    script('long', 'setInterval(() => {}, 1000)'),
    script('quick', WRITE, { args: ['{output:out}', 'x'] }),
  ]);
  let isDeaf = false;
  const run = engine.run(forever, {
    listeners: [
      ({ type }) => {
        isDeaf ||= type === 'stage-succeeded';
        if (isDeaf) throw new Error('cannot be told');
      },
    ],
  });
  await expect(run).rejects.toThrow('cannot be told');
  expect(await leftovers()).toEqual([]);
});
