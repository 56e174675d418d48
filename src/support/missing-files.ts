// Absence of a file as a value, so that "not there" is never mistaken for "could not be read".
import { readdir } from 'node:fs/promises';
import { NOT_A_FILE, openRegularFile } from './regular-file.ts';

export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Whether there is something, but no file: a folder, a pipe, a device, a link that leads nowhere. */
export function isNoFile(error: unknown): boolean {
  const code = errorCode(error);
  return code === NOT_A_FILE || code === 'ELOOP' || code === 'EISDIR';
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Why the system does not let a file or folder be read; undefined when there is none, or only a link in a circle. */
export function unreadable(error: unknown): string | undefined {
  const code = errorCode(error);
  if (isMissing(error) || code === 'ELOOP' || code === 'ENAMETOOLONG') return undefined;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EIO' || code === 'ESTALE')
    return `it cannot be read (${code})`;
  throw error;
}

/** The text of a file, or undefined when there is no such file (or something that is none). Any other problem is thrown. */
export async function readTextIfPresent(path: string): Promise<string | undefined> {
  return (await readBytesIfPresent(path))?.toString('utf8');
}

/** The same as bytes. */
export async function readBytesIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    const file = await openRegularFile(path);
    try {
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error) || isNoFile(error)) return undefined;
    throw error;
  }
}

/** What is in a folder; nothing when there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}

/** The JSON in a file, or undefined when it is missing or not JSON (half-written by something else). */
export async function readJsonIfPresent(path: string): Promise<unknown> {
  const text = await readTextIfPresent(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
