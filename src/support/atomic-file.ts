// Writing files so that nobody ever sees half of one: draft in the same folder, rename. Durable or not, by what must outlive
// a power cut. Not for journals, which are appended to.
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces or creates `path`, its folder too. After it returns the new bytes survive a power cut; if it throws the old file
 * is intact.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  await putInPlace(path, async (draft) => {
    await writeFile(draft, bytes);
    await syncFile(draft);
  });
  await syncFolder(dirname(path));
}

/** The same but not durable: for what only has to outlive this process, not the machine. */
export async function replaceFile(path: string, bytes: Uint8Array | string): Promise<void> {
  await putInPlace(path, (draft) => writeFile(draft, bytes));
}

/** A name that no other writer takes; it carries the writer's pid so that a sweep can tell whose draft it was. */
export function draftName(of: string): string {
  return `${of}.draft-${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** For a file that something else has written. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames and new names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  await syncFile(path);
}

async function putInPlace(path: string, write: (draft: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = draftName(path);
  try {
    await write(draft);
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw cause;
  }
}
