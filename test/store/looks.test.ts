// What a run looked at is remembered as stamps; where a change could hide from a stamp, nothing is.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { areUnchanged, Looks } from '../../src/store/looks.ts';
import { stampOf } from '../../src/support/file-stamp.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-looks-'));
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'data/a'), 'a');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Looks so many milliseconds after the last write. */
function looksAfter(milliseconds: number, ...names: readonly string[]): Looks {
  const written = Number((stampOf(join(folder, 'data/a'))?.changedNs ?? 0n) / 1_000_000n);
  const looks = new Looks(() => written + milliseconds);
  for (const name of names) looks.note(join(folder, name));
  return looks;
}

test('what was written a moment before is not vouched for', () => {
  expect(looksAfter(20, 'data/a').all()).toBeUndefined();
  expect(looksAfter(80, 'data/a').all()).toHaveLength(1);
});

test('what differs from one look to the next is not vouched for', async () => {
  const looks = looksAfter(60_000, 'data/b');
  expect(looks.all()).toHaveLength(1);
  await writeFile(join(folder, 'data/b'), '');
  looks.note(join(folder, 'data/b'));
  expect(looks.all()).toBeUndefined();
});

test('a file, a folder and nothing at all each keep their trace until they change', async () => {
  const looks = looksAfter(60_000, 'data', 'data/a', 'data/none', 'data/a/below').all() ?? [];
  expect(looks.map(([, trace]) => trace.replace(/\d+/g, '0'))).toEqual(['folder:0:0:0:0', '0:0:0:0', '', '']);
  expect(areUnchanged(looks)).toBe(true);
  await writeFile(join(folder, 'data/none'), '');
  expect(looks.map((look) => areUnchanged([look]))).toEqual([false, true, false, true]);
});

test('a file from the future is not waited for: a clock that was set back keeps no run from ending', () => {
  for (const behind of [20, 3_600_000]) {
    const looks = looksAfter(-behind);
    looks.noteOwn(join(folder, 'data/a'));
    expect(looks.settlingMs()).toBeGreaterThan(0);
    expect(looks.settlingMs()).toBeLessThan(100);
    expect(looks.all()).toBeUndefined();
  }
});
