// Writing files so that nobody ever sees half of one: draft in the same folder, fsync, rename, fsync of the folder.
// Not for journals, which are appended to, nor for folders.
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Replaces or creates `path`. After it returns the new bytes survive a power cut; if it throws the old file is intact. */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  const draft = draftPath(path);
  try {
    const file = await open(draft, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw cause;
  }
  await syncFolder(dirname(path));
}

/** The same, for places that must not yield: signal handlers and the end of a process. */
export function writeFileAtomicSync(path: string, bytes: Uint8Array | string): void {
  const draft = draftPath(path);
  const content = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
  try {
    const file = openSync(draft, 'wx');
    try {
      for (let written = 0; written < content.length;) written += writeSync(file, content, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw cause;
  }
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Makes renames and new names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A name that no other writer takes; the leading dot and suffix let a collector recognise drafts that a crash left. */
function draftPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(6).toString('hex')}.draft`);
}
