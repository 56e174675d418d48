// A watched plan, edited while it runs: what stops, what goes on, what is planned again and what is not.
import { appendFileSync, mkdirSync, renameSync, rmSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { foldRun } from '../../src/report/run-report.ts';
import { Conductor } from '../support/conductor.ts';
import { Engine, ofType } from '../support/engine.ts';
import { job, plan, script } from '../support/plans.ts';
import { Watching } from '../support/watching.ts';

let engine: Engine;
let conductor: Conductor;
let folder: string;
let watching: Watching | undefined;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
  folder = await mkdtemp(join(tmpdir(), 'headgate-watch-'));
  conductor = await Conductor.in(folder);
});
afterEach(async () => {
  watching?.interrupt();
  watching?.interrupt();
  await watching?.ended;
  watching = undefined;
  conductor.close();
  await engine.remove();
  await rm(folder, { recursive: true, force: true });
});

const training = (id: string, rate: number, more: object = {}) =>
  job(id, { rate, steps: 3, conductor: conductor.path, outputs: { out: { chain: true } }, ...more });
const heads = (detection: number) =>
  plan([
    training('detection', detection),
    training('segmentation', 9),
    job('merge', {}, { inputs: { in: 'segmentation.out' } }),
  ]);
const quick = (text: string, files: readonly string[] = []) =>
  plan([job('only', { text }, { files: files.map((path) => ({ name: path, path })) })]);
const points = (point: string) => conductor.points.filter((one) => one === point).length;

/** Until the run of the first plan has ended and everything is being watched. */
async function atRest(first: ReturnType<typeof plan>): Promise<Watching> {
  watching = await Watching.start(engine, first);
  await watching.next('plan-changed');
  await watching.next('watch-waiting');
  return watching;
}

test('an edit stops the jobs it makes stale and starts their successors; the others go on in their processes', async () => {
  const [detection, segmentation] = [conductor.hold('detection step 2'), conductor.hold('segmentation step 2')];
  watching = await Watching.start(engine, heads(1));
  expect(await watching.next('plan-changed')).toMatchObject({ files: [], kept: [], stopped: [] });
  const [, goesOn] = await Promise.all([detection, segmentation]);

  const successor = conductor.hold('detection step 1');
  await watching.write(heads(2));
  expect(await watching.next('plan-changed')).toMatchObject({
    files: ['plan.json'],
    kept: ['segmentation'],
    stopped: ['detection'],
  });
  (await successor).go(); // while the segmentation still stands where it stood
  goesOn.go();
  await watching.next('watch-waiting');
  expect(watching.outcomes.sort()).toEqual(['succeeded', 'superseded']);
  expect([points('segmentation started'), points('detection started')]).toEqual([1, 2]);

  const [first, second] = [...new Set(watching.events.map(({ run }) => run))].map((run) =>
    foldRun(watching?.events.filter((event) => event.run === run) ?? []),
  );
  expect(first).toMatchObject({ supersededBy: second?.run, finished: { outcome: 'superseded' } });
  expect(first?.stages.map(({ state }) => state)).toEqual(['cancelled', 'succeeded', 'pending']);
  expect(second?.stages.map(({ state }) => state)).toEqual(['succeeded', 'cached', 'succeeded']);
});

test('an edit and its revert continue the stopped stage from its resume state', async () => {
  const held = conductor.hold('detection step 2');
  watching = await Watching.start(engine, heads(1));
  await watching.next('plan-changed');
  await held;
  const successor = conductor.hold('detection step 1');
  await watching.write(heads(2));
  await successor;
  await watching.write(heads(1));
  expect(await watching.until(() => watching?.all('plan-changed')[2])).toMatchObject({ stopped: ['detection'] });
  await watching.next('watch-waiting');
  const last = ofType(watching.events, 'stage-started').findLast(({ stage }) => stage === 'detection');
  expect(last).toMatchObject({ resumed: true });
  expect([points('detection step 2'), points('detection step 3')]).toEqual([1, 1]);
});

describe('an edit that asks for nothing new', () => {
  test('disturbs no job when it is invalid, and when it is put right says that nothing changes', async () => {
    const held = conductor.hold('detection step 2');
    watching = await Watching.start(engine, heads(1));
    await watching.next('plan-changed');
    const goesOn = await held;
    writeFileSync(watching.file, '{ "stages": ');
    expect(await watching.next('plan-refused')).toMatchObject({
      files: ['plan.json'],
      problems: [{ message: 'not JSON: { "stages": ' }],
      running: true,
    });
    await watching.write(heads(1));
    expect(await watching.next('plan-unchanged')).toMatchObject({ files: ['plan.json'] });
    goesOn.go();
    await watching.next('watch-waiting');
    expect(watching.outcomes).toEqual(['succeeded']);
    expect(points('detection started')).toBe(1);
  });

  test('says so when only white space, key order and places have changed', async () => {
    const here = await atRest(heads(1));
    const { stages, ...rest } = heads(1);
    const moved = stages.map((stage) => ({ ...stage, at: { file: 'plan.json', line: 77, column: 7 } })).toReversed();
    writeFileSync(here.file, JSON.stringify({ stages: moved, ...rest }));
    expect(await here.next('plan-unchanged')).toMatchObject({ files: ['plan.json'] });
    expect(here.outcomes).toEqual(['succeeded']);
  });

  test('is not even planned when the bytes are the same', async () => {
    const here = await atRest(quick('a'));
    const loads = here.loads;
    const looks = here.looks.length;
    utimesSync(here.file, new Date(), new Date());
    await here.until(() => here.looks.slice(looks).includes(here.file));
    await here.write(quick('b'));
    await here.next('plan-changed');
    expect(here.loads).toBe(loads + 1);
  });
});

describe('a save', () => {
  const content = (text: string) => JSON.stringify(quick(text), null, 2);
  test.each<[string, (file: string) => void]>([
    [
      'by renaming a temporary file over it',
      (file) => {
        writeFileSync(`${file}.tmp`, content('b'));
        renameSync(`${file}.tmp`, file);
      },
    ],
    ['by truncating and writing', (file) => writeFileSync(file, content('b'))],
    [
      'with a swap file and a backup, as vim does',
      (file) => {
        writeFileSync(join(file, '../.plan.json.swp'), 'swap');
        writeFileSync(join(file, '../4913'), '');
        unlinkSync(join(file, '../4913'));
        renameSync(file, `${file}~`);
        writeFileSync(file, content('b'));
        unlinkSync(`${file}~`);
        unlinkSync(join(file, '../.plan.json.swp'));
      },
    ],
    [
      'by deleting and making it again',
      (file) => {
        unlinkSync(file);
        writeFileSync(file, content('b'));
      },
    ],
    [
      'in pieces',
      (file) => {
        writeFileSync(file, '');
        for (const part of content('b').match(/[^]{1,40}/g) ?? []) appendFileSync(file, part);
      },
    ],
  ])('%s is one change', async (_, save) => {
    const here = await atRest(quick('a'));
    save(here.file);
    expect(await here.next('plan-changed')).toMatchObject({ files: ['plan.json'] });
    await here.next('watch-waiting');
    expect(here.all('plan-refused')).toEqual([]);
    expect(here.all('plan-changed')).toHaveLength(2);
  });

  test.each(['', '{ "stages": ['])('that was read half-way, as %j, is not complained about', async (half) => {
    const here = await atRest(quick('a'));
    const loads = here.loads;
    writeFileSync(here.file, half);
    await here.until(() => here.loads > loads);
    writeFileSync(here.file, content('b'));
    await here.next('plan-changed');
    expect(here.all('plan-refused')).toEqual([]);
  });

  test('of a file that was deleted a while ago is noticed', async () => {
    const here = await atRest(quick('a'));
    rmSync(here.file);
    expect(await here.next('plan-refused')).toMatchObject({ files: ['plan.json'], running: false });
    await here.write(quick('b'));
    expect(await here.next('plan-changed')).toMatchObject({ files: ['plan.json'] });
  });
});

describe('data', () => {
  test('in a folder: a thousand new files are one change', async () => {
    mkdirSync(join(engine.root, 'images/deep'), { recursive: true });
    const here = await atRest(quick('a', ['images']));
    for (let n = 0; n < 1000; n++) writeFileSync(join(engine.root, `images/deep/${n}.png`), String(n));
    expect(await here.next('plan-changed')).toMatchObject({ files: ['images'] });
    await here.next('watch-waiting');
    expect(here.all('plan-changed')).toHaveLength(2);
    expect(here.outcomes).toEqual(['succeeded', 'succeeded']);
  });

  test('is followed from when the plan names it, wherever it is', async () => {
    const outside = join(folder, 'outside.txt');
    writeFileSync(outside, '1');
    const here = await atRest(quick('a'));
    const looks = here.looks.length;
    await here.write(quick('a', [outside]));
    await here.next('plan-changed');
    await here.next('watch-waiting');
    // It is looked at again once it is watched.
    await here.until(() => here.looks.slice(looks).filter((path) => path === outside).length >= 2);
    writeFileSync(outside, '2');
    expect(await here.next('plan-changed')).toMatchObject({ files: [outside] });
    await here.next('watch-waiting');
  });

  test('that a run writes for nobody starts nothing', async () => {
    const write = (text: string) =>
      plan([
        script(
          'log',
          `require('fs').writeFileSync('log.txt', '${text}'); require('fs').writeFileSync(process.argv[1], 'x')`,
          {
            args: ['{output:out}'],
          },
        ),
      ]);
    const here = await atRest(write('a'));
    await here.write(write('b'));
    await here.next('plan-changed');
    await here.next('watch-waiting');
    await here.write(write('c'));
    expect(await here.next('plan-changed')).toMatchObject({ files: ['plan.json'] });
    expect(here.all('plan-changed')).toHaveLength(3);
  });

  test('that its own reader keeps changing is set aside instead of starting it for ever', async () => {
    writeFileSync(join(engine.root, 'counter.txt'), '0');
    const counting = script(
      'counting',
      `const fs = require('fs'); fs.appendFileSync('counter.txt', 'x'); setInterval(() => {}, 1000)`,
      { files: [{ name: 'counter', path: 'counter.txt' }] },
    );
    watching = await Watching.start(engine, plan([counting]));
    expect(await watching.next('file-set-aside')).toMatchObject({ file: 'counter.txt' });
    expect(watching.all('plan-changed').length).toBeLessThanOrEqual(6);
  });
});

test('after a run that failed it goes on watching, and an edit runs what failed again', async () => {
  const failing = (message: string) => plan([job('only', message === '' ? {} : { fail: { reason: 'bad', message } })]);
  const here = await atRest(failing('no luck'));
  expect(here.outcomes).toEqual(['failed']);
  await here.write(failing(''));
  await here.next('watch-waiting');
  expect(here.outcomes).toEqual(['failed', 'succeeded']);
});

describe('an interrupt', () => {
  test('lets running jobs of every run write their resume states, and ends', async () => {
    const [detection, segmentation] = [conductor.hold('detection step 2'), conductor.hold('segmentation step 2')];
    watching = await Watching.start(engine, heads(1));
    await watching.next('plan-changed');
    await Promise.all([detection, segmentation]);
    const successor = conductor.hold('detection step 1');
    await watching.write(heads(2));
    await successor;
    watching.interrupt();
    await watching.ended;
    expect(watching.outcomes.sort()).toEqual(['interrupted', 'superseded']);
    expect(ofType(watching.events, 'stage-cancelled').map(({ checkpointed }) => checkpointed)).toEqual([
      true,
      true,
      true,
    ]);
    expect(watching.all('watch-ended')).toHaveLength(1);
  });

  test('that comes twice kills what does not listen', async () => {
    const held = conductor.hold('deaf step 1');
    watching = await Watching.start(engine, plan([training('deaf', 1, { deaf: true })]));
    await watching.next('plan-changed');
    await held;
    watching.interrupt();
    watching.interrupt();
    await watching.ended;
    expect(watching.outcomes).toEqual(['interrupted']);
  });
});
