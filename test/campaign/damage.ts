// What a power cut or a bad disk does to a store that nobody is using: files cut off, filled with zeros, emptied; clocks that
// were wrong when a file was written.
import { chmodSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../src/support/random.ts';

/** Every regular file below a folder, newest first. */
export function filesBelow(folder: string): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs || (left < right ? -1 : 1));
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
    if (path === undefined) return;
    const time = Date.now() / 1000 + (random.uniform() * 2 - 1) * 100 * HOUR_S;
    utimesSync(path, time, time);
  }
}

export function drawClock(random: Random) {
  const hours = (range: number): number => Math.round((random.uniform() * 2 - 1) * range * HOUR_S * 1000);
  return { clock: { offsetMs: hours(48), jumpAfterMs: random.below(2500), jumpMs: hours(12) } };
}
