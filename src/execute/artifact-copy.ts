// A copy of an artifact outside the store, for people: made aside, whole, and compared with what lies there already. Copies
// and not links, so that an editor cannot reach into the store.
import { chmod, copyFile, constants, mkdir, readlink, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Store } from '../store/store.ts';
import { lookAt } from '../store/out-folder.ts';
import { isFile, treeDigest, type TreeEntry } from '../store/tree-manifest.ts';
import { faceAt } from '../store/verified-files.ts';
import { draftName } from '../support/atomic-file.ts';
import type { Digest } from '../support/digest.ts';
import { stampOf } from '../support/file-stamp.ts';
import { entriesIn } from '../support/folder-entries.ts';

export interface Artifact {
  readonly digest: Digest;
  readonly tree: boolean;
  /** Whether a file may be run as a program; of those in a folder its list tells. Undefined: that does not matter. */
  readonly executable?: boolean;
}

/** Whether the artifact lies there: these bytes, and in a folder nothing else; a link to them is not it. */
export async function liesAt(store: Store, { digest, tree, executable }: Artifact, path: string): Promise<boolean> {
  const there = await lookAt(path);
  if (there !== (tree ? 'folder' : 'file')) return false;
  if (!tree && executable !== undefined && executable !== mayBeRun(path)) return false;
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
    await copyObject(store, artifact.digest, draft, artifact.executable === true);
    return draft;
  }
  const entries = await store.objects.entriesOf(artifact.digest);
  if (entries === undefined) return undefined;
  await mkdir(draft);
  for (const entry of entries) {
    const to = join(draft, entry.path);
    await mkdir('folder' in entry ? to : dirname(to), { recursive: true });
    if (isFile(entry)) await copyObject(store, entry.digest, to, entry.executable === true);
    else if ('link' in entry) await symlink(entry.link, to);
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
  for (const entry of entries) if (isFile(entry)) file(join(path, entry.path), entry.digest);
  for (const folder of foldersOf(entries)) stats.looks.noteOwn(join(path, folder));
}

function mayBeRun(path: string): boolean {
  return faceAt(path)?.runs === true;
}

async function copyObject(store: Store, digest: Digest, to: string, executable: boolean): Promise<void> {
  await copyFile(store.objects.pathOf(digest), to, constants.COPYFILE_FICLONE);
  await chmod(to, executable ? 0o755 : 0o644);
}

/** Undefined when there is anything in it that no artifact has. */
async function folderDigest(store: Store, folder: string): Promise<Digest | undefined> {
  const entries: TreeEntry[] = [];
  const visit = async (below: string): Promise<boolean> => {
    store.stats.looks.note(join(folder, below));
    const found = await entriesIn(join(folder, below));
    if (!found.ok) return false;
    if (found.value.length === 0 && below !== '') entries.push({ path: below, folder: true });
    for (const { name, is } of found.value) {
      const path = below === '' ? name : `${below}/${name}`;
      const at = join(folder, path);
      if (is === 'folder') {
        if (!(await visit(path))) return false;
        continue;
      }
      if (is === 'link') {
        entries.push({ path, link: await readlink(at) });
        continue;
      }
      const digest = is === 'file' ? await store.stats.digestOf(at) : undefined;
      if (digest === undefined) return false;
      const runs = mayBeRun(at) ? ({ executable: true } as const) : {};
      entries.push({ path, digest, bytes: stampOf(at)?.bytes ?? 0, ...runs });
    }
    return true;
  };
  return (await visit('')) ? treeDigest(entries) : undefined;
}

/** The tree's own folder as ''. */
function foldersOf(entries: readonly TreeEntry[]): ReadonlySet<string> {
  const folders = new Set(['']);
  for (const entry of entries) {
    const path = 'folder' in entry ? `${entry.path}/` : entry.path;
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1))
      folders.add(path.slice(0, slash));
  }
  return folders;
}
