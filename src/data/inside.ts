// Paths that a description or a list names must stay inside the folder it stands in, also through symbolic links.
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { DataError } from './data-error.ts';

/** @throws DataError when `path` leaves `root` or does not exist. */
export async function inside(root: string, path: string, namedBy: string): Promise<string> {
  const lexical = resolve(root, path);
  if (path === '' || isAbsolute(path) || path.includes('\0') || leaves(resolve(root), lexical)) {
    throw new DataError(`${namedBy} names "${path}", which is outside the data set's folder`, 'Use a path inside it.');
  }
  const [realRoot, real] = await Promise.all([realpath(root), realpath(lexical)]).catch(() => {
    throw new DataError(`${namedBy} names "${path}", which does not exist`);
  });
  if (leaves(realRoot, real)) {
    throw new DataError(`${namedBy} names "${path}", a link that leads outside the data set's folder`);
  }
  return real;
}

function leaves(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way);
}
