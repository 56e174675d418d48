// Reading what should be a plain file without trusting that it is one: a pipe that nobody writes to, a device or a folder in
// its place is told at once instead of being waited for or read without end.
import { closeSync, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { constants, open, type FileHandle } from 'node:fs/promises';

/** `code` of the error that is thrown for what is there but is no file; its message says what it is. */
export const NOT_A_FILE = 'ENOTFILE';

/** Opens a plain file, links followed. Throws with NOT_A_FILE for anything else, and what the system says otherwise. */
export async function openRegularFile(path: string): Promise<FileHandle> {
  // Opening a pipe waits for its writer unless told not to.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    // Sockets cannot be opened at all.
    throw isCode(error, 'ENXIO') ? notAFile('it is a socket or a device, not a file') : error;
  });
  const info = await file.stat();
  if (info.isFile()) return file;
  await file.close();
  throw notAFile(whatItIs(info));
}

/** The text of a small plain file, without the way through the thread pool; throws as `openRegularFile` does. */
export function readSmallFile(path: string, maxBytes = Infinity): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const info = fstatSync(file);
    if (!info.isFile()) throw notAFile(whatItIs(info));
    if (info.size > maxBytes) throw notAFile(`it has ${info.size} bytes, more than the ${maxBytes} that it may have`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function whatItIs(info: Stats): string {
  if (info.isDirectory()) return 'it is a folder';
  return info.isFIFO() ? 'it is a pipe, not a file' : 'it is a device, not a file';
}

/** The bytes of a plain file, or its size alone when it has more than `maxBytes`. */
export async function readRegularFile(path: string, maxBytes: number): Promise<Buffer | { readonly size: number }> {
  const file = await openRegularFile(path);
  try {
    const { size } = await file.stat();
    return size > maxBytes ? { size } : await file.readFile();
  } finally {
    await file.close();
  }
}

function notAFile(why: string): Error {
  return Object.assign(new Error(why), { code: NOT_A_FILE });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
