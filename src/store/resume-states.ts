// Resume states of unfinished work, by key: kept beside the artifacts but none of them, gone once the key has its record.
// States are numbered; the highest counts, so that a crash while one replaces another loses neither.
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDigest, type Digest } from '../support/digest.ts';
import { syncFolder } from '../support/atomic-file.ts';
import { isMissing, namesIn } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';

/** The folder of the newest state of a key, or undefined. */
export async function resumeStateOf(layout: StoreLayout, key: Digest): Promise<string | undefined> {
  const newest = (await numbersIn(join(layout.resume, key))).at(-1);
  return newest === undefined ? undefined : join(layout.resume, key, newest);
}

/** Moves what a job left in its resume folder to its key; false when it left nothing. */
export async function keepResumeState(layout: StoreLayout, key: Digest, left: string): Promise<boolean> {
  const files = await namesIn(left);
  if (files.length === 0) return false;
  const home = join(layout.resume, key);
  await mkdir(home, { recursive: true });
  const older = await numbersIn(home);
  const number = String(Number(older.at(-1) ?? '0') + 1).padStart(6, '0');
  try {
    await rename(left, join(home, number));
  } catch (error) {
    if (isMissing(error)) return false; // another engine has just kept it
    throw error;
  }
  await syncFolder(home);
  for (const name of older) await rm(join(home, name), { recursive: true, force: true });
  return true;
}

export async function dropResumeStates(layout: StoreLayout, key: Digest): Promise<void> {
  await rm(join(layout.resume, key), { recursive: true, force: true });
}

export async function listResumeStates(layout: StoreLayout): Promise<readonly Digest[]> {
  return (await namesIn(layout.resume)).filter(isDigest);
}

async function numbersIn(folder: string): Promise<readonly string[]> {
  const names = await namesIn(folder);
  return names.filter((name) => /^\d{6}$/.test(name)).sort();
}
