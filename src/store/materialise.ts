// A tree artifact as a folder that a job can read: hard links to verified objects, made once per tree. Never written to.
import { copyFile, link, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestFile, type Digest } from '../support/digest.ts';
import { draftName } from '../support/atomic-file.ts';
import { errorCode } from '../support/missing-files.ts';
import { sharded, type StoreLayout } from './layout.ts';
import type { ObjectStore } from './objects.ts';
import { listFiles, type TreeEntry } from './tree-manifest.ts';

/** The folder of a tree whose objects were verified just now; undefined when its manifest cannot be read. */
export async function materialiseTree(
  layout: StoreLayout,
  objects: ObjectStore,
  digest: Digest,
): Promise<string | undefined> {
  const entries = await objects.entriesOf(digest);
  if (entries === undefined) return undefined;
  const folder = sharded(layout.trees, digest);
  if (await isMaterialised(folder, objects, entries)) return folder;

  const draft = join(layout.drafts, draftName('tree'));
  await mkdir(draft, { recursive: true });
  for (const entry of entries) {
    const target = join(draft, entry.path);
    await mkdir(dirname(target), { recursive: true });
    await linkOrCopy(objects.pathOf(entry.digest), target);
  }
  await mkdir(dirname(folder), { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder).catch(async (error: unknown) => {
    // Another engine was faster: its folder is as good.
    if (!(await isMaterialised(folder, objects, entries))) throw error;
    await rm(draft, { recursive: true });
  });
  return folder;
}

/** Whether a tree's folder still holds what the tree says. */
export async function materialisedIsSound(layout: StoreLayout, objects: ObjectStore, digest: Digest): Promise<boolean> {
  const entries = await objects.entriesOf(digest);
  return entries !== undefined && isMaterialised(sharded(layout.trees, digest), objects, entries);
}

/** Whether the folder's files are the very files (inodes) of the store, or hold the same bytes, and no others. */
async function isMaterialised(folder: string, objects: ObjectStore, entries: readonly TreeEntry[]): Promise<boolean> {
  const present = await listFiles(folder).catch(() => undefined);
  if (present?.length !== entries.length) return false;
  for (const entry of entries) {
    const own = await stat(join(folder, entry.path), { bigint: true }).catch(() => undefined);
    const object = await stat(objects.pathOf(entry.digest), { bigint: true }).catch(() => undefined);
    const same = own !== undefined && own.ino === object?.ino && own.dev === object.dev;
    if (!same && (own === undefined || (await digestFile(join(folder, entry.path))) !== entry.digest)) return false;
  }
  return true;
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: unknown) => {
    // File systems without hard links, or too many links to one file.
    if (!['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP'].includes(errorCode(error) ?? '')) throw error;
    await copyFile(from, to);
  });
}
