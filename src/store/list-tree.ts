// What lies in a folder that is to be kept: files, empty folders and links, down to the last. Whatever cannot be kept and given
// back as it is (a link that leads out or nowhere, a pipe, a name that is not UTF-8) is told instead of being left out.
import { lstat, readlink, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { entriesIn, NO_FILE } from '../support/folder-entries.ts';
import { isMissing } from '../support/missing-files.ts';
import { err, ok, type Result } from '../support/result.ts';

export type Listed =
  | { readonly path: string; readonly is: 'file' }
  | { readonly path: string; readonly is: 'empty-folder' }
  | { readonly path: string; readonly is: 'link'; readonly to: string };

export interface Unkept {
  readonly path: string;
  readonly problem: string;
  /** Whether it is a link that does not stay in the folder. */
  readonly leaves: boolean;
}

/** Paths are relative, with forward slashes. The folder itself is no link. */
export async function listTree(folder: string): Promise<Result<readonly Listed[], Unkept>> {
  const found: Listed[] = [];
  const unkept = await visit(await realpath(folder), '', found);
  return unkept === undefined ? ok(found) : err(unkept);
}

async function visit(root: string, below: string, found: Listed[]): Promise<Unkept | undefined> {
  const entries = await entriesIn(join(root, below));
  if (!entries.ok) return { ...entries.error, path: relative(root, entries.error.path), leaves: false };
  if (entries.value.length === 0 && below !== '') found.push({ path: below, is: 'empty-folder' });
  for (const { name, is } of entries.value) {
    const path = below === '' ? name : `${below}/${name}`;
    switch (is) {
      case 'folder': {
        const unkept = await visit(root, path, found);
        if (unkept !== undefined) return unkept;
        break;
      }
      case 'file':
        found.push({ path, is });
        break;
      case 'link': {
        const link = await linkWithin(root, path);
        if (!link.ok) return link.error;
        found.push({ path, is, to: link.value });
        break;
      }
      case 'other':
        return { path, problem: NO_FILE, leaves: false };
    }
  }
  return undefined;
}

/** The target of a link relative to its folder: an absolute one would be wrong wherever else the tree is put. */
async function linkWithin(root: string, path: string): Promise<Result<string, Unkept>> {
  const home = join(root, dirname(path));
  const written = await readlink(join(root, path));
  // The way there may be by another name of the root, as /tmp is on some systems.
  const way = isAbsolute(written) ? relative(home, await realFolderOf(written)) || '.' : written;
  const end = await follow(root, home, way.split(sep), MOST_LINKS);
  const shown = `it is a link to ${written}`;
  if (end === 'leaves') return err({ path, problem: `${shown}, which is outside`, leaves: true });
  if (end === 'nowhere') return err({ path, problem: `${shown}, which does not exist`, leaves: true });
  return ok(way);
}

async function realFolderOf(path: string): Promise<string> {
  const folder = await realpath(dirname(path)).catch(() => dirname(path));
  return join(folder, path.slice(dirname(path).length));
}

/** The most links in a row that are followed, as many as the system itself does. */
const MOST_LINKS = 40;

type Way = { readonly at: string } | 'leaves' | 'nowhere';

/** Step by step, since a way that leaves the tree and comes back leads elsewhere once the tree has another name. */
async function follow(root: string, from: string, steps: readonly string[], links: number): Promise<Way> {
  let at = from;
  for (const step of steps) {
    if (step === '' || step === '.') continue;
    if (step === '..') {
      if (at === root) return 'leaves';
      at = dirname(at);
      continue;
    }
    const next = join(at, step);
    const info = await lstat(next).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (info === undefined) return 'nowhere';
    if (!info.isSymbolicLink()) {
      at = next;
      continue;
    }
    if (links === 0) return 'nowhere';
    const target = await readlink(next);
    const inner = isAbsolute(target) ? relative(at, await realFolderOf(target)) : target;
    const end = await follow(root, at, inner.split(sep), links - 1);
    if (end === 'nowhere' || end === 'leaves') return end;
    ({ at } = end);
  }
  return { at };
}
