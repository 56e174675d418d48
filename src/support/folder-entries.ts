// What a folder holds, by name and sort, with nothing left out in silence: a name that is not UTF-8 cannot be told by this
// program's texts, so a folder that holds one is refused with that name instead of being read without it.
import { isUtf8 } from 'node:buffer';
import { readdir } from 'node:fs/promises';
import { byCodeUnit } from './canonical-json.ts';
import { errorCode, isMissing } from './missing-files.ts';
import { err, ok, type Result } from './result.ts';

export interface FolderEntry {
  readonly name: string;
  /** `other`: a pipe, a socket or a device. */
  readonly is: 'file' | 'folder' | 'link' | 'other';
}

export interface FolderProblem {
  /** The folder itself, or what is wrong in it; bytes that are no UTF-8 are written as `\xe9`. */
  readonly path: string;
  readonly problem: string;
}

/** Sorted by name; nothing for a folder that is gone. */
export async function entriesIn(folder: string): Promise<Result<readonly FolderEntry[], FolderProblem>> {
  const found = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch((error: unknown) => {
    if (isMissing(error)) return [];
    const code = errorCode(error) ?? '';
    if (!UNREADABLE.has(code)) throw error;
    return `it cannot be read (${code})`;
  });
  if (typeof found === 'string') return err({ path: folder, problem: found });
  const entries: FolderEntry[] = [];
  for (const entry of found) {
    const bytes = entry.name;
    if (!isUtf8(bytes)) return err({ path: `${folder}/${escapedName(bytes)}`, problem: NOT_UTF8 });
    const is = entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'other';
    entries.push({ name: bytes.toString('utf8'), is });
  }
  return ok(entries.sort((left, right) => byCodeUnit(left.name, right.name)));
}

export const NOT_UTF8 = 'its name is not UTF-8: rename it';

export const NO_FILE = 'it is a pipe, a socket or a device, not a file';

/** Problems of the folder itself; a lack of open files, say, is one of this process. */
const UNREADABLE = new Set(['EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'EIO', 'ESTALE']);

/** `caf\xe9`: what is not ASCII as bytes, since nobody knows in which alphabet it was meant. */
export function escapedName(bytes: Buffer): string {
  return [...bytes]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
}
