// Writing files so that nobody ever sees half of one: draft in the same folder, rename. Durable or not, by what must outlive
// a power cut. Not for journals, which are appended to.
import { randomBytes } from 'node:crypto';
import { closeSync, fsync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { errorCode, isMissing } from './missing-files.ts';
import { ownProcess } from './own-process.ts';

/** Below this a write into the page cache is done before the thread pool has heard of it. */
const SMALL_BYTES = 1 << 20;

/**
 * Replaces or creates `path`, its folder too. After it returns the new bytes survive a power cut; if it throws the old file
 * is intact.
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  await putInPlace(path, bytes, syncFile);
  await syncFolder(dirname(path));
}

/** The same but not durable: for what only has to outlive this process, not the machine. */
export async function replaceFile(path: string, bytes: Uint8Array | string): Promise<void> {
  await putInPlace(path, bytes, () => undefined);
}

/** A name that no other writer takes; it carries the writer's token so that a sweep can tell whose draft it was. */
export function draftName(of: string): string {
  return `${of}.draft-${ownProcess().token}-${randomBytes(6).toString('hex')}`;
}

const sync = promisify(fsync);

/** For a file that something else has written. */
export async function syncFile(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    await sync(file); // the only part that takes time: the disk's
  } finally {
    closeSync(file);
  }
}

/** Makes renames and new names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  await syncFile(path);
}

/** Gives a draft its name, whatever bears it: a folder that is in the way is kept beside it. */
export function renameOver(draft: string, path: string): void {
  try {
    renameSync(draft, path);
  } catch (error) {
    if (!['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(errorCode(error) ?? '')) throw error;
    renameSync(path, `${path}.aside-${randomBytes(4).toString('hex')}`);
    renameSync(draft, path);
  }
}

async function putInPlace(
  path: string,
  bytes: Uint8Array | string,
  settle: (draft: string) => Promise<void> | undefined,
): Promise<void> {
  const draft = draftName(path);
  try {
    await writeDraft(draft, bytes);
    await settle(draft);
    renameOver(draft, path);
  } catch (cause) {
    rmSync(draft, { force: true });
    throw cause;
  }
}

async function writeDraft(draft: string, bytes: Uint8Array | string): Promise<void> {
  const write = (): Promise<void> | void =>
    bytes.length > SMALL_BYTES ? writeFile(draft, bytes) : writeFileSync(draft, bytes);
  try {
    await write();
  } catch (error) {
    if (!isMissing(error)) throw error;
    mkdirSync(dirname(draft), { recursive: true });
    await write();
  }
}
