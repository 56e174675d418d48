// Bytes that changed in the store are found before anything uses them, put aside, and made again.
import { chmod, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { storeLayout } from '../../src/store/layout.ts';
import { StatCache } from '../../src/store/stat-cache.ts';
import type { Digest } from '../../src/support/digest.ts';
import { stampOf } from '../../src/support/file-stamp.ts';
import type { Finished } from '../support/engine.ts';
import { Engine, ofType } from '../support/engine.ts';
import { job, plan, stage } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

const chain = (note = '') =>
  plan([
    job('first', { outputs: { out: 'the bytes of first' } }),
    job('second', { outputs: { out: { copy: 'in' } }, note }, { inputs: { in: 'first.out' } }),
  ]);

function objectPath(digest: string): string {
  return join(engine.root, '.headgate/objects', digest.slice(0, 2), digest);
}

function digestOf(run: Finished, id: string): string {
  const made = ofType(run.events, 'stage-succeeded').find((event) => event.stage === id);
  const digest = made?.outputs['out']?.digest;
  if (digest === undefined) throw new Error(`${id} made nothing`);
  return digest;
}

async function flipBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  await chmod(path, 0o644);
  await writeFile(path, bytes);
}

async function flipUnseen(path: string): Promise<void> {
  const { atimeNs, mtimeNs } = await stat(path, { bigint: true });
  await flipBit(path);
  await utimes(path, Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9);
  // Seconds as a double lose nanoseconds: the stat cache is made to agree, as it would with a silently bad disk.
  const cache = new StatCache(storeLayout(engine.root));
  cache.rememberObject(basename(path) as Digest, stampOf(path));
  await cache.save();
}

test('one flipped bit is found, quarantined, and its producer runs again; what follows is unchanged', async () => {
  const first = await engine.run(chain());
  const digest = digestOf(first, 'first');
  await flipBit(objectPath(digest));
  const again = await engine.run(chain());
  expect(again.outcome.exitCode).toBe(0);
  expect(ofType(again.events, 'object-quarantined')).toMatchObject([{ digest }]);
  expect(ofType(again.events, 'stage-started')[0]).toMatchObject({
    stage: 'first',
    cause: { because: 'output-lost', port: 'out', digest },
  });
  expect(await readdir(join(engine.root, '.headgate/quarantine'))).toHaveLength(1);
  expect(await readFile(objectPath(digest), 'utf8')).toBe('the bytes of first');
  expect((await engine.run(chain())).states).toEqual({ first: 'cached', second: 'cached' });
});

test('a deleted object is made again', async () => {
  const digest = digestOf(await engine.run(chain()), 'first');
  await rm(objectPath(digest));
  const again = await engine.run(chain());
  expect(ofType(again.events, 'stage-started').map(({ stage }) => stage)).toContain('first');
  expect(await readFile(objectPath(digest), 'utf8')).toBe('the bytes of first');
});

describe('a flip that left no trace in the file’s stamps', () => {
  test('is found before a job reads the object: the producer runs first, then the reader', async () => {
    const digest = digestOf(await engine.run(chain()), 'first');
    await flipUnseen(objectPath(digest));
    const again = await engine.run(chain('edited'));
    expect(again.outcome.exitCode).toBe(0);
    expect(ofType(again.events, 'stage-reopened')).toMatchObject([{ stage: 'first', port: 'out', digest }]);
    expect(ofType(again.events, 'stage-succeeded').map(({ stage }) => stage)).toEqual(['first', 'second']);
    expect(digestOf(again, 'second')).toBe(digest); // a copy of the sound bytes
  });
});

test('behind a selection, the stage that made the bytes runs again', async () => {
  const selected = (note = '') =>
    plan([
      job('made', { outputs: { out: 'the bytes' } }),
      stage('chosen', 'select', { inputs: { out: 'made.out' }, outputs: { out: 'file' } }),
      job('read', { outputs: { out: { copy: 'in' } }, note }, { inputs: { in: 'chosen.out' } }),
    ]);
  const digest = digestOf(await engine.run(selected()), 'made');
  await flipUnseen(objectPath(digest));
  const again = await engine.run(selected('edited'));
  expect(again.outcome.exitCode).toBe(0);
  expect(ofType(again.events, 'stage-reopened')).toMatchObject([{ stage: 'made' }]);
  expect(digestOf(again, 'read')).toBe(digest);
});

test('a folder with one damaged file is damaged', async () => {
  const tree = (note = '') =>
    plan([
      job('data', { outputs: { out: { tree: { 'dataset.json': '{}', 'images.npy': 'pixels' } } } }),
      job('read', { outputs: { out: { list: 'in', file: 'images.npy' } }, note }, { inputs: { in: 'data.out' } }),
    ]);
  const first = await engine.run(tree());
  expect(ofType(first.events, 'stage-succeeded')[0]?.outputs['out']).toMatchObject({ tree: true, bytes: 8 });
  const read = digestOf(first, 'read'); // the digest of "pixels", an object of its own and a member of the tree
  await flipBit(objectPath(read));
  const again = await engine.run(tree('edited'));
  expect(again.outcome.exitCode).toBe(0);
  expect(ofType(again.events, 'stage-started').map(({ stage }) => stage)).toEqual(['data', 'read']);
  expect(await readFile(objectPath(read), 'utf8')).toBe('pixels');
});

test('a record that was tampered with is no record', async () => {
  await engine.run(chain());
  const actions = join(engine.root, '.headgate/actions');
  for (const shard of await readdir(actions)) {
    for (const name of await readdir(join(actions, shard))) {
      const path = join(actions, shard, name);
      await writeFile(path, (await readFile(path, 'utf8')).replace('"seed": 0', '"seed": 1'));
    }
  }
  expect((await engine.run(chain())).states).toEqual({ first: 'succeeded', second: 'succeeded' });
});
