// The store on a real file system: bytes by digest, folders, stamps, resume states, journals, locks.
import { appendFile, chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runId } from '../../src/events/ids.ts';
import type { RunEvent } from '../../src/events/run-events.ts';
import { Journal, readJournal } from '../../src/store/journal.ts';
import { layArtifact } from '../../src/store/laid-artifact.ts';
import { listTree } from '../../src/store/list-tree.ts';
import type { Quarantined, StoredObject } from '../../src/store/objects.ts';
import { dropResumeStates, keepResumeState, resumeStateOf } from '../../src/store/resume-states.ts';
import { listRuns, newRunId, nextRunId, runFolder } from '../../src/store/runs.ts';
import { StatCache } from '../../src/store/stat-cache.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { parseManifest, treeDigest } from '../../src/store/tree-manifest.ts';
import { digestBytes, type Digest } from '../../src/support/digest.ts';
import { stampOf } from '../../src/support/file-stamp.ts';

let root: string;
let store: Store;
let quarantined: Quarantined[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-store-'));
  store = openStore(root);
  quarantined = [];
  store.onQuarantine((what) => quarantined.push(what));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function overwrite(path: string, text: string): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, text);
}

describe('an object', () => {
  test('is a read-only file named by its digest', async () => {
    const source = join(root, 'source.bin');
    await writeFile(source, 'weights');
    const { digest, bytes, tree } = await store.objects.putFile(source);
    expect([digest, bytes, tree]).toEqual([digestBytes('weights'), 7, false]);
    expect(store.objects.pathOf(digest)).toBe(join(root, '.headgate/objects', digest.slice(0, 2), digest));
    expect((await stat(store.objects.pathOf(digest))).mode & 0o222).toBe(0);
  });

  test('put twice is kept once, so that a job may go on reading it', async () => {
    const { digest } = await store.objects.putBytes('same');
    const { ino } = await stat(store.objects.pathOf(digest));
    await store.objects.putBytes('same');
    expect((await stat(store.objects.pathOf(digest))).ino).toBe(ino);
    expect(await readdir(join(root, '.headgate/drafts'))).toEqual([]);
  });

  test('whose bytes changed is quarantined and never handed out', async () => {
    const { digest } = await store.objects.putBytes('right');
    await overwrite(store.objects.pathOf(digest), 'wrong');
    expect(await store.objects.readText(digest)).toBeUndefined();
    expect(quarantined).toMatchObject([{ digest, found: digestBytes('wrong') }]);
    expect(await readFile(quarantined[0]?.movedTo ?? '', 'utf8')).toBe('wrong');
    expect(await store.objects.verify({ digest, tree: false })).toBe('missing');
    await store.objects.putBytes('right');
    expect(await store.objects.readText(digest)).toBe('right');
  });

  test('that several readers find damaged at once is quarantined by one of them', async () => {
    const { digest } = await store.objects.putBytes('right');
    await overwrite(store.objects.pathOf(digest), 'wrong');
    const others = openStore(root).objects;
    const found = await Promise.all([store.objects, store.objects, others].map((reader) => reader.readText(digest)));
    expect(found).toEqual([undefined, undefined, undefined]);
    expect(await readdir(join(root, '.headgate/quarantine'))).toHaveLength(1);
  });

  test('is replaced when it is put again after it was damaged', async () => {
    const { digest } = await store.objects.putBytes('right');
    await overwrite(store.objects.pathOf(digest), 'wrong');
    await store.objects.putBytes('right');
    expect(await store.objects.readText(digest)).toBe('right');
    expect(quarantined).toHaveLength(1);
  });
});

describe('a tree', () => {
  async function folder(files: { readonly [path: string]: string }): Promise<string> {
    const path = await mkdtemp(join(root, 'tree-'));
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(path, name, '..'), { recursive: true });
      await writeFile(join(path, name), text);
    }
    return path;
  }

  async function put(path: string): Promise<StoredObject> {
    const listed = await listTree(path);
    if (!listed.ok) throw new Error(listed.error.problem);
    return store.objects.putTree(path, listed.value);
  }

  test('has the digest of its files by path, digest and size, and comes back as a folder', async () => {
    const { digest, bytes, tree } = await put(await folder({ 'b.npy': 'bb', 'a/c.txt': 'ccc' }));
    expect([bytes, tree]).toEqual([5, true]);
    expect(digest).toBe(
      treeDigest([
        { path: 'b.npy', digest: digestBytes('bb'), bytes: 2 },
        { path: 'a/c.txt', digest: digestBytes('ccc'), bytes: 3 },
      ]),
    );
    const opened = join(root, 'opened');
    await layArtifact(store.objects, { digest, tree: true, executable: false }, opened, 'links');
    expect(await readFile(join(opened, 'a/c.txt'), 'utf8')).toBe('ccc');
    expect((await readdir(opened, { recursive: true })).sort()).toEqual(['a', 'a/c.txt', 'b.npy']);
  });

  test('is damaged when one of its files is', async () => {
    const { digest } = await put(await folder({ a: '1', b: '2' }));
    await overwrite(store.objects.pathOf(digestBytes('2')), '3');
    expect(await store.objects.check({ digest, tree: true })).toBe('damaged');
  });

  test('never names a path outside itself', () => {
    const entry = (path: string) => JSON.stringify(['headgate-tree', 1, [{ path, digest: digestBytes(''), bytes: 0 }]]);
    expect(parseManifest(entry('a/b'))).toHaveLength(1);
    for (const path of ['../a', '/etc/passwd', 'a/../../b']) expect(parseManifest(entry(path))).toBeUndefined();
  });
});

describe('the stat cache', () => {
  /** A cache that remembers, of this file as it is now, what is not true: whoever says it has not read the file. */
  async function savedWith(path: string, digest: Digest): Promise<void> {
    const cache = new StatCache(store.layout);
    cache.remember(path, stampOf(path), digest);
    await cache.save();
  }
  const wrong = digestBytes('not the file’s bytes');

  test('reads a file again only when its stamp changed, and survives a restart', async () => {
    const path = join(root, 'data.bin');
    await writeFile(path, 'one');
    await savedWith(path, wrong);
    expect(await new StatCache(store.layout).digestOf(path)).toBe(wrong);
    await writeFile(path, 'two!');
    expect(await new StatCache(store.layout).digestOf(path)).toBe(digestBytes('two!'));
  });

  test('is not fooled by a time of modification that was set back', async () => {
    const path = join(root, 'data.bin');
    await writeFile(path, 'one');
    await utimes(path, 1, 1);
    await savedWith(path, wrong);
    await writeFile(path, 'two');
    await utimes(path, 1, 1);
    expect(await new StatCache(store.layout).digestOf(path)).toBe(digestBytes('two'));
  });

  test('does not remember a file that was written just now: it may change again within one tick', async () => {
    const path = join(root, 'fresh.bin');
    const cache = new StatCache(store.layout);
    await writeFile(path, 'one');
    await cache.digestOf(path);
    await cache.save();
    expect(await readdir(store.layout.root)).toEqual(['fresh.bin']);
  });

  test('knows no file that is not there, and drops what is gone', async () => {
    const path = join(root, 'gone.bin');
    expect(await new StatCache(store.layout).digestOf(join(root, 'none'))).toBeUndefined();
    await writeFile(path, 'one');
    await savedWith(path, wrong);
    await rm(path);
    await writeFile(join(root, 'other.bin'), '');
    await savedWith(join(root, 'other.bin'), wrong); // something to save, by a cache that never asked for the first
    expect(await readFile(store.layout.statCache, 'utf8')).not.toContain('gone.bin');
  });

  test('is no cache at all once a byte of it changed', async () => {
    const path = join(root, 'data.bin');
    await writeFile(path, 'one');
    await savedWith(path, wrong);
    const text = await readFile(store.layout.statCache, 'utf8');
    await writeFile(store.layout.statCache, text.replace(wrong, digestBytes('another lie')));
    expect(await new StatCache(store.layout).digestOf(path)).toBe(digestBytes('one'));
    await writeFile(store.layout.statCache, text.slice(0, -5));
    expect(await new StatCache(store.layout).digestOf(path)).toBe(digestBytes('one'));
  });
});

describe('resume states', () => {
  const key = digestBytes('key');
  async function left(text: string): Promise<string> {
    const folder = await mkdtemp(join(root, 'job-'));
    await mkdir(join(folder, 'resume'));
    await writeFile(join(folder, 'resume/state'), text);
    return join(folder, 'resume');
  }

  test('the newest one counts, until the key is done', async () => {
    expect(await resumeStateOf(store.layout, key)).toBeUndefined();
    expect(await keepResumeState(store.layout, key, await left('step 1'), 1200)).toBe(true);
    expect(await keepResumeState(store.layout, key, await left('step 2'), 3400.6)).toBe(true);
    const state = await resumeStateOf(store.layout, key);
    expect(state?.workMs).toBe(3401);
    expect(await readFile(join(state?.folder ?? '', 'state'), 'utf8')).toBe('step 2');
    expect(await readdir(join(store.layout.resume, key))).toHaveLength(1);
    await dropResumeStates(store.layout, key);
    expect(await resumeStateOf(store.layout, key)).toBeUndefined();
  });

  test('a job that left nothing changes nothing', async () => {
    await keepResumeState(store.layout, key, await left('step 1'), 1);
    await mkdir(join(root, 'empty'));
    expect(await keepResumeState(store.layout, key, join(root, 'empty'), 1)).toBe(false);
    expect(await keepResumeState(store.layout, key, join(root, 'none'), 1)).toBe(false);
    expect(await resumeStateOf(store.layout, key)).toBeDefined();
  });
});

describe('a journal', () => {
  const event = (seq: number): RunEvent => ({
    type: 'run-interrupted',
    signal: 'SIGINT',
    run: runId('r'),
    seq,
    time: '',
  });

  test('gives back what was appended, and tells of a torn end', async () => {
    const folder = join(root, 'run');
    const journal = Journal.open(folder);
    journal.append(event(0));
    journal.append(event(1));
    journal.close();
    await appendFile(join(folder, 'events.jsonl'), '{"type":"run-fin');
    const torn = await readJournal(folder);
    expect(torn).toMatchObject({ events: [event(0), event(1)], tornBytes: 16 });
    const again = Journal.open(folder, torn.soundBytes);
    again.append(event(2));
    again.close();
    expect(await readJournal(folder)).toMatchObject({ events: [event(0), event(1), event(2)], tornBytes: 0 });
  });

  test('that does not exist has no events', async () => {
    expect(await readJournal(join(root, 'none'))).toEqual({ events: [], soundBytes: 0, tornBytes: 0 });
  });
});

describe('runs', () => {
  test('are named so that their names sort by time', async () => {
    const times = ['2024-01-02T03:04:05.006Z', '2024-01-02T03:04:05.100Z', '2024-11-02T03:04:05.006Z'];
    const ids = times.map((time) => newRunId(new Date(time)));
    expect([...ids].sort()).toEqual(ids);
    for (const id of ids) await mkdir(runFolder(store.layout, id), { recursive: true });
    await mkdir(join(store.layout.runs, 'something else'));
    expect(await listRuns(store.layout)).toEqual([...ids].reverse());
  });

  test('come after every earlier one, even when the clock was set back', async () => {
    const first = nextRunId(store.layout, new Date('2030-05-06T07:08:09.999Z'));
    expect(first).toMatch(/^20300506-070809999-/);
    await mkdir(runFolder(store.layout, first), { recursive: true });
    expect(nextRunId(store.layout, new Date('2024-01-01T00:00:00Z'))).toMatch(/^20300506-070810000-/);
    expect(nextRunId(store.layout, new Date('2031-01-01T00:00:00Z'))).toMatch(/^20310101-000000000-/);
  });
});
