// A copy of an artifact outside the store, for people: made aside, whole, and compared with what lies there already. Copies
// and not links, so that an editor cannot reach into the store.
import { chmod, copyFile, constants, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Store } from '../store/store.ts';
import { lookAt } from '../store/out-folder.ts';
import { treeDigest, type TreeEntry } from '../store/tree-manifest.ts';
import { draftName } from '../support/atomic-file.ts';
import type { Digest } from '../support/digest.ts';
import { stampOf } from '../support/file-stamp.ts';

export interface Artifact {
  readonly digest: Digest;
  readonly tree: boolean;
}

/** Whether the artifact lies there: these bytes, and in a folder nothing else; a link to them is not it. */
export async function liesAt(store: Store, { digest, tree }: Artifact, path: string): Promise<boolean> {
  const there = await lookAt(path);
  if (there !== (tree ? 'folder' : 'file')) return false;
  return (tree ? await folderDigest(store, path) : await store.stats.digestOf(path)) === digest;
}

/** The draft of a copy, to be renamed; undefined when an object is missing or damaged: the next run makes it again. */
export async function draftCopy(store: Store, artifact: Artifact): Promise<string | undefined> {
  if ((await store.objects.verify(artifact)) !== 'intact') return undefined;
  const { drafts } = store.layout;
  await mkdir(drafts, { recursive: true });
  // Not beside its place: what a kill leaves there, nobody would ever sweep.
  const draft = join(drafts, draftName('delivered'));
  if (!artifact.tree) {
    await copyObject(store, artifact.digest, draft);
    return draft;
  }
  const entries = await store.objects.entriesOf(artifact.digest);
  if (entries === undefined) return undefined;
  await mkdir(draft);
  for (const { path, digest } of entries) {
    await mkdir(dirname(join(draft, path)), { recursive: true });
    await copyObject(store, digest, join(draft, path));
  }
  return draft;
}

/** Remembers what was just put in place, so that the next look at it reads nothing. */
export async function noteCopy(store: Store, { digest, tree }: Artifact, path: string): Promise<void> {
  const { stats } = store;
  const file = (at: string, own: Digest): void => {
    stats.remember(at, stampOf(at), own);
    stats.looks.noteOwn(at);
  };
  if (!tree) {
    file(path, digest);
    return;
  }
  const entries = (await store.objects.entriesOf(digest)) ?? [];
  for (const entry of entries) file(join(path, entry.path), entry.digest);
  for (const folder of foldersOf(entries)) stats.looks.noteOwn(join(path, folder));
}

async function copyObject(store: Store, digest: Digest, to: string): Promise<void> {
  await copyFile(store.objects.pathOf(digest), to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o644);
}

/** Undefined when there is anything in it that no artifact has. */
async function folderDigest(store: Store, folder: string): Promise<Digest | undefined> {
  const entries: TreeEntry[] = [];
  const visit = async (below: string): Promise<boolean> => {
    store.stats.looks.note(join(folder, below));
    const found = await readdir(join(folder, below), { withFileTypes: true });
    if (found.length === 0 && below !== '') return false;
    for (const entry of found) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!(await visit(path))) return false;
        continue;
      }
      const digest = entry.isFile() ? await store.stats.digestOf(join(folder, path)) : undefined;
      if (digest === undefined) return false;
      entries.push({ path, digest, bytes: stampOf(join(folder, path))?.bytes ?? 0 });
    }
    return true;
  };
  return (await visit('')) ? treeDigest(entries) : undefined;
}

/** The tree's own folder as ''. */
function foldersOf(entries: readonly TreeEntry[]): ReadonlySet<string> {
  const folders = new Set(['']);
  for (const { path } of entries) {
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1))
      folders.add(path.slice(0, slash));
  }
  return folders;
}
