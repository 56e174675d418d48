// Who holds what: locks, drafts and heartbeats of this engine, of dead ones, of other places and of the earlier program. Time is
// the test's own.
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  engineFields,
  isOfThisPlace,
  ownEngine,
  parseEngine,
  type EngineIdentity,
} from '../../src/process/engine-identity.ts';
import { sweepDrafts } from '../../src/store/abandoned-drafts.ts';
import { heartbeatOf } from '../../src/store/heartbeats.ts';
import { Owners, SILENT_MS } from '../../src/store/owners.ts';
import { lockRun, ownerOfRun, unlockRun } from '../../src/store/run-lock.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { ownProcess } from '../../src/support/own-process.ts';
import { deadEngineHere, engineElsewhere } from '../support/other-engines.ts';

let root: string;
let store: Store;
let folder: string;
let now: number;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-owners-'));
  store = openStore(root);
  folder = join(store.layout.runs, 'run');
  now = 1000;
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function beat({ token }: Required<EngineIdentity>, seconds: number, everyMs?: number): Promise<void> {
  const path = join(store.layout.engines, `${token}.json`);
  await mkdir(store.layout.engines, { recursive: true });
  await writeFile(path, JSON.stringify({ everyMs }));
  await utimes(path, seconds, seconds);
}

test('a run is owned by a living process only, and nobody has to unlock it', async () => {
  expect(await lockRun(folder)).toBeUndefined();
  expect(await ownerOfRun(folder)).toEqual({ pid: process.pid, standing: 'alive' });
  const earlier = { ...deadEngineHere(), pid: process.pid }; // the pid is used again
  await writeFile(join(folder, 'lock.json'), JSON.stringify(engineFields(earlier)));
  expect(await ownerOfRun(folder)).toBeUndefined();
  await writeFile(join(folder, 'lock.json'), 'torn');
  expect(await ownerOfRun(folder)).toBeUndefined();
});

test('a lock is one engine’s: it is taken from the dead and from nobody else, and dropped by its owner only', async () => {
  await mkdir(folder, { recursive: true });
  const lock = join(folder, 'lock.json');
  const theirs = engineElsewhere({ host: 'far' });
  await writeFile(lock, JSON.stringify(engineFields(theirs)));
  expect(await lockRun(folder)).toEqual({ pid: process.pid, elsewhere: 'far', standing: 'unsure' });
  unlockRun(folder);
  expect(await ownerOfRun(folder)).toMatchObject({ elsewhere: 'far' });
  await writeFile(lock, JSON.stringify(engineFields(deadEngineHere())));
  expect(await lockRun(folder)).toBeUndefined();
  await writeFile(lock, JSON.stringify(engineFields(theirs))); // it took us for dead
  unlockRun(folder);
  expect(await ownerOfRun(folder)).toMatchObject({ elsewhere: 'far' });
  expect(await readdir(store.layout.drafts)).toEqual([]);
});

test('what stands in the way of a lock and is none does not stop a run', async () => {
  await mkdir(join(folder, 'lock.json', 'x'), { recursive: true });
  expect(await lockRun(folder)).toBeUndefined();
  unlockRun(folder);
  await symlink('nowhere', join(folder, 'lock.json'));
  expect(await lockRun(folder)).toBeUndefined();
  unlockRun(folder);
});

test('an engine beats from its first lock to its last', async () => {
  const { layout } = store;
  const { token } = ownEngine();
  const other = join(layout.runs, 'other');
  await lockRun(folder);
  await lockRun(other);
  await lockRun(other); // again changes nothing
  expect(heartbeatOf(layout, token)).toMatchObject({ host: ownProcess().place.host });
  unlockRun(folder);
  expect(heartbeatOf(layout, token)).toBeDefined();
  unlockRun(other);
  expect(heartbeatOf(layout, token)).toBeUndefined();
});

test('an engine of another place is gone when it was watched for long enough without a beat, whatever the clocks say', async () => {
  const engine = engineElsewhere({ host: ownProcess().place.host }); // another container of the same name
  const owners = new Owners(store.layout, () => now);
  const standing = async (): Promise<string> => owners.of(engine, []);
  await beat(engine, 1);
  expect(await standing()).toBe('unsure');
  now += SILENT_MS;
  expect(await standing()).toBe('unsure');
  await beat(engine, 2_000_000_000);
  expect(await standing()).toBe('alive');
  now += SILENT_MS;
  expect(await standing()).toBe('alive');
  now += 1;
  expect(await standing()).toBe('gone');
  await beat(engine, 3);
  expect(await standing()).toBe('alive');
});

test('an engine says itself how often it beats, within bounds', async () => {
  const owners = new Owners(store.layout, () => now);
  const after = async (everyMs: number, waitedMs: number): Promise<string> => {
    const engine = engineElsewhere();
    await beat(engine, 1, everyMs);
    await owners.of(engine, []);
    now += waitedMs;
    return owners.of(engine, []);
  };
  expect([await after(1000, 5999), await after(1000, 6001)]).toEqual(['unsure', 'gone']);
  expect([await after(0, 599), await after(0, 601)]).toEqual(['unsure', 'gone']);
  expect([await after(1e12, 359_999), await after(1e12, 360_001)]).toEqual(['unsure', 'gone']);
});

test('what a command has seen of an engine elsewhere, the next one of this place knows', async () => {
  const engine = engineElsewhere();
  await beat(engine, 1, 100);
  expect(await new Owners(store.layout).of(engine, [])).toBe('unsure');
  const [notes = ''] = (await readdir(store.layout.engines)).filter((name) => name.startsWith('seen-by-'));
  await expect.poll(async () => new Owners(store.layout).of(engine, []), { timeout: 5000, interval: 50 }).toBe('gone');
  await writeFile(join(store.layout.engines, notes), '{"torn');
  expect(await new Owners(store.layout).of(engine, [])).toBe('unsure');
});

test('an engine of the earlier program is here only if a process of its pid started in that very tick', async () => {
  const owners = new Owners(store.layout, () => now);
  const { pid, startTime } = ownProcess();
  const standing = async (found: EngineIdentity): Promise<string> => owners.of(found, [join(root, 'its lock')]);
  expect(await standing({ pid, startTime })).toBe('alive');
  expect(await standing({ pid, startTime: '1' })).toBe('unsure');
  now += SILENT_MS + 1;
  expect(await standing({ pid, startTime: '1' })).toBe('gone');
});

test('an identity is read back as it was written, and half of one is an engine of the earlier program', () => {
  const own = ownEngine();
  expect(parseEngine(engineFields(own))).toEqual(own);
  expect(isOfThisPlace(own)).toBe(true);
  const { pid, startTime, token } = own;
  expect(parseEngine({ pid, startTime })).toEqual({ pid, startTime });
  expect(parseEngine({ ...engineFields(own), token: '../../etc' })).toEqual({ pid, startTime });
  expect(parseEngine({ token, startTime })).toBeUndefined();
  expect(isOfThisPlace({ ...own, place: { ...own.place, namespaces: 'pid:[1]' } })).toBe(false);
  expect(isOfThisPlace({ ...own, place: { ...own.place, boot: 'another' } })).toBe(false);
});

test('drafts of processes that are gone are swept, those of living ones and of other places are not', async () => {
  const { drafts } = store.layout;
  const draftOf = ({ token }: { readonly token: string }): string => `object.draft-${token}-0123456789ab`;
  const [own, elsewhere, earlier] = [draftOf(ownEngine()), draftOf(engineElsewhere()), 'tree.draft-999999999-abcdef'];
  for (const name of [own, elsewhere, earlier]) await mkdir(join(drafts, name), { recursive: true });
  await mkdir(join(drafts, draftOf(deadEngineHere()), 'deep'), { recursive: true });
  await sweepDrafts(store.layout);
  expect((await readdir(drafts)).sort()).toEqual([own, elsewhere, earlier].sort());
});
