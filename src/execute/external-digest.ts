// The digest of a file or folder outside the store: a file by its bytes, a folder by the paths and bytes of its files, links
// followed. What cannot be read to an end (pipes, devices, folders that lead back into themselves), what this program is not
// allowed to read and what has a name that it cannot tell is told, not left out.
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatCache } from '../store/stat-cache.ts';
import { treeDigest, type TreeEntry } from '../store/tree-manifest.ts';
import type { Digest } from '../support/digest.ts';
import { entriesIn, NO_FILE, type FolderProblem } from '../support/folder-entries.ts';
import { unreadable } from '../support/missing-files.ts';
import { err, ok, type Result } from '../support/result.ts';

/** Undefined when there is nothing at the path. */
export async function externalDigest(
  stats: StatCache,
  path: string,
): Promise<Result<Digest | undefined, FolderProblem>> {
  try {
    // Files are the usual case, and a look at one is not worth the way through the thread pool.
    const known = await stats.digestOf(path);
    if (known !== undefined) return ok(known);
    const info = await stat(path);
    if (!info.isDirectory()) return err({ path, problem: NO_FILE });
    const entries: TreeEntry[] = [];
    const unusable = await collect(stats, path, '', await realpath(path), entries);
    return unusable === undefined ? ok(treeDigest(entries)) : err(unusable);
  } catch (error) {
    const problem = unreadable(error);
    return problem === undefined ? ok(undefined) : err({ path, problem });
  }
}

/** @param real where `folder/below` really is. */
async function collect(
  stats: StatCache,
  folder: string,
  below: string,
  real: string,
  entries: TreeEntry[],
): Promise<FolderProblem | undefined> {
  stats.looks.note(join(folder, below));
  const listed = await entriesIn(join(folder, below));
  if (!listed.ok) return listed.error;
  for (const { name, is } of listed.value) {
    const inner = below === '' ? name : `${below}/${name}`;
    const path = join(folder, inner);
    try {
      const found = await stat(path);
      if (found.isDirectory()) {
        const innerReal = is === 'link' ? await realpath(path) : `${real}/${name}`;
        // Only a link can lead to a folder that is being read, or to one around it.
        if (is === 'link' && `${real}/`.startsWith(`${innerReal}/`))
          return { path, problem: 'it leads back into itself' };
        const unusable = await collect(stats, folder, inner, innerReal, entries);
        if (unusable !== undefined) return unusable;
      } else if (found.isFile()) {
        const digest = await stats.digestOf(path);
        if (digest !== undefined) entries.push({ path: inner, digest, bytes: found.size });
      } else return { path, problem: NO_FILE };
    } catch (error) {
      const problem = unreadable(error);
      if (problem !== undefined) return { path, problem };
      stats.looks.note(path); // gone since the folder was read, or a link to nowhere
    }
  }
  return undefined;
}
