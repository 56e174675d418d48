// What a power cut or a bad disk does to a store that nobody is using: files cut off, filled with zeros, emptied; clocks that
// were wrong when a file was written.
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../src/support/random.ts';

/** Every regular file below a folder, newest first; none of a folder that is not there. */
export function filesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, time: statSync(path, { throwIfNoEntry: false })?.mtimeMs }))
    .flatMap(({ path, time }) => (time === undefined ? [] : [{ path, time }])) // an orphan may still be at work
    .sort((left, right) => right.time - left.time || (left.path < right.path ? -1 : 1))
    .map(({ path }) => path);
}

/** Mostly recent files: those a power cut catches before they are on the disk. @returns what was done. */
export function tearFiles(home: string, random: Random): readonly string[] {
  const files = filesBelow(home);
  return Array.from({ length: 1 + random.below(3) }, () => {
    const recent = random.below(10) < 7 ? Math.min(files.length, 12) : files.length;
    const path = files[random.below(recent)];
    if (path === undefined) return 'nothing to tear';
    const { size } = statSync(path);
    const keep = random.below(size + 1);
    chmodSync(path, 0o644);
    const how = random.below(3);
    if (how === 0) truncateSync(path, keep);
    else if (how === 1) truncateSync(path, 0);
    else writeFileSync(path, Buffer.concat([readFileSync(path).subarray(0, keep), Buffer.alloc(size - keep)]));
    return `${['cut off', 'emptied', 'zeroed from'][how] ?? ''} ${keep} of ${size}: ${path.slice(home.length + 1)}`;
  });
}

const HOUR_S = 3600;

/** Modification times from the past and the future. */
export function disturbTimes(home: string, random: Random): void {
  const files = filesBelow(home);
  for (let count = 0; count < 8; count++) {
    const path = files[random.below(files.length)];
    if (path === undefined || !existsSync(path)) continue;
    const time = Date.now() / 1000 + (random.uniform() * 2 - 1) * 100 * HOUR_S;
    utimesSync(path, time, time);
  }
}

export function drawClock(random: Random) {
  const hours = (range: number): number => Math.round((random.uniform() * 2 - 1) * range * HOUR_S * 1000);
  return { clock: { offsetMs: hours(48), jumpAfterMs: random.below(2500), jumpMs: hours(12) } };
}
