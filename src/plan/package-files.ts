// The files of a kind's package that make its code, links followed: an edit behind a link is an edit of the code. Hidden files
// and installed dependencies are left out; a dependency that is a link to somebody's own folder (a workspace, `npm link`) is
// edited in place and therefore code. What cannot be read to an end is told by name, never left out.
import { realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { byCodeUnit } from '../support/canonical-json.ts';
import { entriesIn, NO_FILE, type FolderEntry, type FolderProblem } from '../support/folder-entries.ts';
import { errorCode } from '../support/missing-files.ts';
import { err, ok, type Result } from '../support/result.ts';

export const DEPENDENCIES = 'node_modules';

/**
 * By their path in the package, sorted.
 * @param roots files and folders of the package; what is not there is left out
 * @param onFolder hears of every folder before it is read
 */
export async function packageFiles(
  folder: string,
  roots: readonly string[],
  onFolder: (folder: string) => void,
): Promise<Result<readonly string[], FolderProblem>> {
  const found = new Set<string>();
  for (const root of roots) {
    const path = join(folder, root);
    if ((await look(path)).code === 'ENOENT') continue;
    const problem = await take(path, [], { folder, found, onFolder });
    if (problem !== undefined) return err(problem);
  }
  return ok([...found].sort(byCodeUnit));
}

interface Search {
  readonly folder: string;
  readonly found: Set<string>;
  readonly onFolder: (folder: string) => void;
}

/** @param around the real paths of the folders that are being read. */
async function take(path: string, around: readonly string[], search: Search): Promise<FolderProblem | undefined> {
  const { info, code } = await look(path);
  if (info === undefined) {
    return { path, problem: code === 'ENOENT' ? 'it is a link that leads nowhere' : `it cannot be read (${code})` };
  }
  if (info.isFile()) {
    search.found.add(relative(search.folder, path));
    return undefined;
  }
  if (!info.isDirectory()) return { path, problem: NO_FILE };
  const real = await realpath(path);
  if (around.some((outer) => `${outer}/`.startsWith(`${real}/`))) return { path, problem: 'it leads back into itself' };
  search.onFolder(path);
  const entries = await entriesIn(path);
  if (!entries.ok) return entries.error;
  for (const entry of entries.value) {
    if (entry.name.startsWith('.')) continue;
    const inner = join(path, entry.name);
    const problem =
      entry.name === DEPENDENCIES
        ? await takeLinked(inner, entry, [...around, real], search)
        : await take(inner, [...around, real], search);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Takes those installed dependencies that are links out of every `node_modules`. */
async function takeLinked(
  path: string,
  { is }: FolderEntry,
  around: readonly string[],
  search: Search,
): Promise<FolderProblem | undefined> {
  if (is !== 'folder') return is === 'link' && (await isOwn(path)) ? take(path, around, search) : undefined;
  search.onFolder(path);
  const entries = await entriesIn(path);
  if (!entries.ok) return entries.error;
  for (const entry of entries.value) {
    const inner = join(path, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.is !== 'link' && !(entry.is === 'folder' && entry.name.startsWith('@'))) continue;
    const problem = await takeLinked(inner, entry, around, search);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A link to nothing is nobody's: a program that imports it ends by itself. */
async function isOwn(path: string): Promise<boolean> {
  const real = await realpath(path).catch(() => undefined);
  return real !== undefined && !real.split(sep).includes(DEPENDENCIES);
}

async function look(path: string) {
  return stat(path).then(
    (info) => ({ info, code: undefined }),
    (error: unknown) => ({ info: undefined, code: errorCode(error) ?? 'unknown' }),
  );
}
