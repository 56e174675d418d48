// Resume states of unfinished work, by key: kept beside the artifacts but none of them, gone once the key has its record.
// States are numbered; the highest counts, so that a crash while one replaces another loses neither. A state's folder is named
// by its number and the work that is in it: `000002-81250` took 81.25 s, earlier attempts that it builds on included.
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isDigest, type Digest } from '../support/digest.ts';
import { syncFolder } from '../support/atomic-file.ts';
import { isMissing, namesIn } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';

export interface ResumeState {
  readonly folder: string;
  /** Milliseconds of work that whoever goes on from it need not do again. */
  readonly workMs: number;
}

/** The newest state of a key, or undefined. */
export async function resumeStateOf(layout: StoreLayout, key: Digest): Promise<ResumeState | undefined> {
  const newest = (await statesIn(join(layout.resume, key))).at(-1);
  if (newest === undefined) return undefined;
  return { folder: join(layout.resume, key, newest), workMs: workIn(newest) };
}

/** The work in a state, from the path of its folder. */
export function workIn(folder: string): number {
  return Number(/^\d{6}-(\d+)$/.exec(basename(folder))?.[1] ?? 0);
}

/**
 * Moves what a job left in its resume folder to its key; false when it left nothing.
 * @param workMs what it took to get there, from the very beginning.
 */
export async function keepResumeState(
  layout: StoreLayout,
  key: Digest,
  left: string,
  workMs: number,
): Promise<boolean> {
  const files = await namesIn(left);
  if (files.length === 0) return false;
  const home = join(layout.resume, key);
  await mkdir(home, { recursive: true });
  const older = await statesIn(home);
  const number = Number(older.at(-1)?.slice(0, 6) ?? 0) + 1;
  const name = `${String(number).padStart(6, '0')}-${Math.max(0, Math.round(workMs))}`;
  try {
    await rename(left, join(home, name));
  } catch (error) {
    if (isMissing(error)) return false; // another engine has just kept it
    throw error;
  }
  await syncFolder(home);
  for (const state of older) await rm(join(home, state), { recursive: true, force: true });
  return true;
}

export async function dropResumeStates(layout: StoreLayout, key: Digest): Promise<void> {
  await rm(join(layout.resume, key), { recursive: true, force: true });
}

export async function listResumeStates(layout: StoreLayout): Promise<readonly Digest[]> {
  return (await namesIn(layout.resume)).filter(isDigest);
}

async function statesIn(folder: string): Promise<readonly string[]> {
  const names = await namesIn(folder);
  return names.filter((name) => /^\d{6}-\d+$/.test(name)).sort();
}
