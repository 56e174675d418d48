// A program that writes where it should not: found where it touches what other stages made or what its own key stands for.
import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stageId } from '../../src/events/ids.ts';
import type { RunEvent } from '../../src/events/run-events.ts';
import { findStrayWrites, strayWords } from '../../src/execute/stray-writes.ts';
import { Engine, ofType } from '../support/engine.ts';
import { plan, script } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

const OVERWRITES = `const fs = require('fs'); const [, input, out] = process.argv; fs.writeFileSync(out, 'x');
  fs.chmodSync(input, 0o644); fs.writeFileSync(input, 'something else')`;
const data = script('data', `require('fs').writeFileSync(process.argv[1], 'data')`, { args: ['{output:out}'] });
const bad = script('bad', OVERWRITES, { inputs: { in: 'data.out' }, args: ['{input:in}', '{output:out}'] });
const reads = script('reads', `const fs = require('fs'); fs.copyFileSync(process.argv[1], process.argv[2])`, {
  inputs: { in: 'data.out' },
  args: ['{input:in}', '{output:out}'],
});

test('an input that the program overwrote fails it, is quarantined, and is made again', async () => {
  const { events, outcome } = await engine.run(plan([data, bad]));
  expect(outcome.exitCode).toBe(1);
  expect(ofType(events, 'stage-failed')[0]?.failure).toMatchObject({
    reason: 'input-modified',
    port: 'in',
    from: 'data.out',
  });
  expect(ofType(events, 'object-quarantined')).toHaveLength(1);
  const next = await engine.run(plan([data, reads]));
  expect(next.states).toEqual({ data: 'cached', reads: 'succeeded' });
  const digest = ofType(next.events, 'stage-succeeded').at(-1)?.outputs['out']?.digest;
  expect(digest).toBe(ofType(events, 'stage-succeeded')[0]?.outputs['out']?.digest);
});

test('a program that wrote into its input runs once more on a copy of its own, and then no more', async () => {
  const { events } = await engine.run(plan([data, { ...bad, retries: 3 }]));
  expect(ofType(events, 'stage-retried').map(({ stage, failure }) => [stage, failure.reason])).toEqual([
    ['bad', 'input-changed'],
  ]);
  expect(ofType(events, 'stage-failed')[0]?.failure.reason).toBe('input-modified');
});

test('objects of the store are read-only files', async () => {
  const { events } = await engine.run(plan([data]));
  const digest = ofType(events, 'stage-succeeded')[0]?.outputs['out']?.digest ?? '';
  const object = join(engine.root, '.headgate/objects', digest.slice(0, 2), digest);
  expect((await stat(object)).mode & 0o222).toBe(0);
});

describe('files of the project that change while a program runs', () => {
  const notesOf = (events: readonly RunEvent[]) =>
    ofType(events, 'job-reported').flatMap(({ stage, event }) =>
      event.type === 'note' ? [`${stage} ${event.level}: ${event.text}`] : [],
    );
  const writes = (id: string, ...paths: readonly string[]) =>
    script(
      id,
      `const fs = require('fs'), path = require('path'); const [, out, ...strays] = process.argv; fs.writeFileSync(out, 'x');
      for (const stray of strays) { fs.mkdirSync(path.dirname(stray), { recursive: true }); fs.appendFileSync(stray, 'y'); }`,
      { args: ['{output:out}', ...paths] },
    );

  test('are told with the stage that ran then, however deep; the stage succeeds', async () => {
    await writeFile(join(engine.root, 'notes.txt'), 'before');
    await utimes(join(engine.root, 'notes.txt'), 1, 1);
    const { outcome, events } = await engine.run(
      plan([writes('good'), writes('bad', 'deep/er/log.txt', 'notes.txt')]),
      {
        jobs: 1,
      },
    );
    expect(outcome.exitCode).toBe(0);
    expect(notesOf(events)).toEqual([
      'bad warning: notes.txt, deep/er/log.txt changed in the project while it ran; what is no declared output is not brought back when the stage is cached',
    ]);
    const again = await engine.run(plan([writes('good'), writes('bad', 'deep/er/log.txt', 'notes.txt')]));
    expect(notesOf(again.events)).toEqual([]);
  });

  test('are counted beyond the first few, and caches of tools are none', async () => {
    const paths = Array.from({ length: 8 }, (_, index) => `out${index}.txt`);
    const caches = ['.cache/x', 'node_modules/.bin/x', 'lib/__pycache__/x.pyc'];
    const { events } = await engine.run(plan([writes('bad', ...paths, ...caches)]));
    expect(notesOf(events)).toEqual([
      expect.stringMatching(/^bad warning: (out\d\.txt, ){4}out\d\.txt and 3 more changed/),
    ]);
    expect(await readdir(join(engine.root, 'lib'))).toEqual(['__pycache__']);
  });

  test('are told with every program that ran at that time', async () => {
    const stints = [
      { stage: stageId('a'), fromMs: 0, toMs: Number.MAX_SAFE_INTEGER },
      { stage: stageId('b'), fromMs: 1, toMs: 2 },
      { stage: stageId('c'), fromMs: 0, toMs: Number.MAX_SAFE_INTEGER },
    ];
    await writeFile(join(engine.root, 'x.txt'), '');
    const [found, ...others] = await findStrayWrites(engine.root, stints);
    expect([found, others]).toEqual([{ stages: ['a', 'c'], paths: ['x.txt'] }, []]);
    expect(found && strayWords(found)).toContain('x.txt changed in the project while it ran (as did c)');
  });

  test('are looked for within bounds: of a project with very many files only the first are seen', async () => {
    const folder = join(engine.root, 'many');
    await mkdir(folder);
    for (let index = 0; index < 21_000; index++) writeFileSync(join(folder, String(index)), '');
    const before = performance.now();
    const found = await findStrayWrites(engine.root, [
      { stage: stageId('a'), fromMs: 0, toMs: Number.MAX_SAFE_INTEGER },
    ]);
    expect(found[0]?.paths.length).toBeLessThanOrEqual(20_000);
    expect(performance.now() - before).toBeLessThan(5000); // 200 ms of looking, on machines of any speed
  });
});
