// What the store needs beyond `atomic-file.ts`: folders made on the way, drafts of whole folders, fsync of files that
// something else has written.
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomic } from './atomic-file.ts';

/** A name that no other writer takes; it carries the writer's pid so that a sweep can tell whose draft it was. */
export function draftName(of: string): string {
  return `${of}.draft-${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** Replaces `path` atomically and durably. The folder is made when it is missing. */
export async function writeFileDurably(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, content);
}

/** Replaces `path` atomically but not durably: for what only has to outlive this process, not the machine. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = draftName(path);
  await writeFile(draft, content);
  await rename(draft, path);
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
