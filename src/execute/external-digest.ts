// The digest of a file or folder outside the store: a file by its bytes, a folder by the paths and bytes of its files, links
// followed. What cannot be read to an end (pipes, devices, folders that lead back into themselves) is told, not tried.
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatCache } from '../store/stat-cache.ts';
import { treeDigest, type TreeEntry } from '../store/tree-manifest.ts';
import { byCodeUnit } from '../support/canonical-json.ts';
import type { Digest } from '../support/digest.ts';
import { err, ok, type Result } from '../support/result.ts';

export interface Unusable {
  /** Of the file or folder itself, or of what is wrong inside it. */
  readonly path: string;
  readonly problem: string;
}

/** Undefined when there is nothing at the path. */
export async function externalDigest(stats: StatCache, path: string): Promise<Result<Digest | undefined, Unusable>> {
  // Files are the usual case, and a look at one is not worth the way through the thread pool.
  const known = await stats.digestOf(path);
  if (known !== undefined) return ok(known);
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return ok(undefined);
  if (!info.isDirectory()) return err({ path, problem: 'it is a pipe, a socket or a device, not a file' });
  const entries: TreeEntry[] = [];
  const unusable = await collect(stats, path, '', await realpath(path), entries);
  return unusable === undefined ? ok(treeDigest(entries)) : err(unusable);
}

/** @param real where `folder/below` really is. */
async function collect(
  stats: StatCache,
  folder: string,
  below: string,
  real: string,
  entries: TreeEntry[],
): Promise<Unusable | undefined> {
  stats.looks.note(join(folder, below));
  const names = await readdir(join(folder, below), { withFileTypes: true });
  for (const { name, isLink } of sortedNames(names)) {
    const inner = below === '' ? name : `${below}/${name}`;
    const path = join(folder, inner);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) {
      stats.looks.note(path);
      continue; // gone since the folder was read, or a link to nowhere
    }
    if (found.isDirectory()) {
      const innerReal = isLink ? await realpath(path) : `${real}/${name}`;
      // Only a link can lead to a folder that is being read, or to one around it.
      if (isLink && `${real}/`.startsWith(`${innerReal}/`)) return { path, problem: 'it leads back into itself' };
      const unusable = await collect(stats, folder, inner, innerReal, entries);
      if (unusable !== undefined) return unusable;
    } else if (found.isFile()) {
      const digest = await stats.digestOf(path);
      if (digest !== undefined) entries.push({ path: inner, digest, bytes: found.size });
    } else return { path, problem: 'it is a pipe, a socket or a device, not a file' };
  }
  return undefined;
}

function sortedNames(entries: readonly Dirent[]): readonly { readonly name: string; readonly isLink: boolean }[] {
  return entries
    .map((entry) => ({ name: entry.name, isLink: entry.isSymbolicLink() }))
    .sort((left, right) => byCodeUnit(left.name, right.name));
}
