// Writing so that nothing half-written is ever visible: draft, fsync, rename, fsync of the folder. Not for logs or caches.
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A name next to nothing else; it carries the writer's pid so that a sweep can tell whose draft it was. */
export function draftName(of: string): string {
  return `${of}.draft-${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** Replaces `path` atomically. The folder is made when it is missing. */
export async function writeFileDurably(path: string, content: string | Uint8Array): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const draft = join(folder, draftName(`.${basename(path)}`));
  const file = await open(draft, 'w');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
  await syncFolder(folder);
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a folder durable (a rename is not, until its folder is). */
export async function syncFolder(path: string): Promise<void> {
  await syncFile(path);
}
