// Claims of keys: one winner among many, dead owners replaced, the living left alone.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dropClaim, readClaim, removeClaim, takeClaim, type Claim } from '../../src/store/claims.ts';
import { ownEngine } from '../../src/process/engine-identity.ts';
import { storeLayout, type StoreLayout } from '../../src/store/layout.ts';
import { digestBytes } from '../../src/support/digest.ts';
import { deadEngineHere } from '../support/other-engines.ts';

let root: string;
let layout: StoreLayout;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-claims-'));
  layout = storeLayout(root);
});
afterEach(() => rm(root, { recursive: true, force: true }));

const key = digestBytes('key');
const by = (run: string): Claim => ({
  engine: deadEngineHere(),
  run,
  jobFolder: '',
});

test('of those who try, the first has the claim until it drops it', () => {
  expect(['a', 'b', 'c'].map((run) => takeClaim(layout, key, by(run)))).toEqual([true, false, false]);
  expect(readClaim(layout, key)?.run).toBe('a');
  dropClaim(layout, key);
  expect(readClaim(layout, key)?.run).toBe('a'); // only whoever has it drops it
  const ours = { ...by('ours'), engine: ownEngine() };
  for (const turn of [1, 2]) {
    const seen = readClaim(layout, key);
    expect(seen !== undefined && removeClaim(layout, key, seen)).toBe(turn === 1);
    if (turn === 1) {
      expect(takeClaim(layout, key, ours)).toBe(true);
      dropClaim(layout, key);
    }
  }
  expect(takeClaim(layout, key, by('d'))).toBe(true);
});

test('a dead claim is taken away once, and not by one who looked at it before somebody else took over', () => {
  takeClaim(layout, key, by('dead'));
  const seen = readClaim(layout, key);
  if (seen === undefined) throw new Error('no claim');
  expect(removeClaim(layout, key, seen)).toBe(true);
  expect(takeClaim(layout, key, by('heir'))).toBe(true);
  expect(removeClaim(layout, key, seen)).toBe(false);
  expect(readClaim(layout, key)?.run).toBe('heir');
});

test('a claim that cannot be read is nobody’s', async () => {
  await mkdir(layout.claims, { recursive: true });
  await writeFile(join(layout.claims, `${key}.json`), '{"engine":{"pi');
  const torn = readClaim(layout, key);
  expect(torn?.engine.pid).toBe(0);
  expect(torn !== undefined && removeClaim(layout, key, torn)).toBe(true);
});

test('nothing is left behind but the claim', async () => {
  takeClaim(layout, key, by('a'));
  takeClaim(layout, key, by('b'));
  expect(await readdir(layout.drafts)).toEqual([]);
  expect(await readdir(layout.claims)).toEqual([`${key}.json`]);
});

test('a claim that names a folder outside of the runs leads nowhere', () => {
  const folders = [join(layout.runs, 'r', 'jobs', 's', '1'), '/etc', join(layout.runs, '..', '..', 'elsewhere')];
  const found = folders.map((jobFolder) => {
    takeClaim(layout, key, { ...by('r'), jobFolder });
    const seen = readClaim(layout, key);
    if (seen === undefined) throw new Error('no claim');
    removeClaim(layout, key, seen);
    return seen.jobFolder;
  });
  expect(found).toEqual([folders[0], '', '']);
});
