// The folder where people find what a workflow gave, `out/<workflow>`: real folders only, and one step in which something
// there becomes something else. Whatever lies at a name, link or not, is replaced itself; no link is ever followed. Knows
// names and drafts, not artifacts.
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { errorCode, isMissing, namesIn } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';

/** @returns what stood in the way of a folder, links above all, with the name it is kept under. */
export async function openOutFolder(
  { out }: Pick<StoreLayout, 'out'>,
  name: string,
): Promise<{ readonly folder: string; readonly kept: readonly Kept[] }> {
  const folder = join(out, name);
  const kept: Kept[] = [];
  for (const path of [out, folder]) {
    const there = await lookAt(path);
    if (there !== undefined && there !== 'folder') kept.push(await keepBeside(path));
    await mkdir(path, { recursive: true });
  }
  return { folder, kept };
}

/** Something of another's that lay where headgate's was to lie, with its new name; or that stays where it is. */
export interface Kept {
  readonly path: string;
  readonly as?: string;
}

export async function keepBeside(path: string): Promise<Kept> {
  const as = `${path}.aside-${randomBytes(4).toString('hex')}`;
  await rename(path, as);
  return { path, as };
}

/** What is at a path, itself and not where it leads. */
export async function lookAt(path: string): Promise<'file' | 'folder' | 'other' | undefined> {
  const info = await lstat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (info === undefined) return undefined;
  return info.isFile() ? 'file' : info.isDirectory() ? 'folder' : 'other';
}

/** Another run may put its own there at the same moment: whoever comes last stays. */
const MOST_TRIES = 20;
const IN_THE_WAY = new Set(['ENOTEMPTY', 'EEXIST', 'EISDIR', 'ENOTDIR']);

/**
 * Gives a finished draft its name in `out`. A file takes the place of a file in one step; where a folder goes or comes, what
 * was there steps aside first and is removed afterwards, and `repairOut` brings it back if the second step never comes.
 */
export async function replaceInOut(layout: StoreLayout, draft: string, path: string): Promise<void> {
  const aside = join(layout.aside, relative(layout.out, path));
  for (let tries = 1; ; tries++) {
    try {
      if (tries > 1 || (await stepsAside(draft, path))) await stepAside(path, aside);
      await rename(draft, path);
      break;
    } catch (error) {
      if (tries === MOST_TRIES || !IN_THE_WAY.has(errorCode(error) ?? '')) throw error;
    }
  }
  await rm(aside, { recursive: true, force: true });
}

async function stepsAside(draft: string, path: string): Promise<boolean> {
  const there = await lookAt(path);
  return there !== undefined && (there === 'folder' || (await lookAt(draft)) === 'folder');
}

async function stepAside(path: string, aside: string): Promise<void> {
  await rm(aside, { recursive: true, force: true });
  await mkdir(dirname(aside), { recursive: true });
  await renameIfThere(path, aside);
}

/** Repairs a crash between the two steps: what stepped aside comes back where nothing has taken its place. */
export async function repairOut({ out, aside }: StoreLayout): Promise<void> {
  for (const workflow of await namesIn(aside)) {
    for (const name of await namesIn(join(aside, workflow))) {
      const [old, path] = [join(aside, workflow, name), join(out, workflow, name)];
      const wanted = (await lookAt(path)) === undefined && (await lookAt(dirname(path))) === 'folder';
      if (wanted) await renameIfThere(old, path);
      else await rm(old, { recursive: true, force: true });
    }
    await rm(join(aside, workflow), { recursive: true, force: true });
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}
