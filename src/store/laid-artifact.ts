// An artifact laid out for one job: hard links to verified objects (or copies, where links cannot be or must not), under the
// name that its maker gave it. Afterwards it is looked at again: what the job read has to be what was laid.
import { chmodSync, constants, copyFileSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { digestFile, type Digest } from '../support/digest.ts';
import { errorCode, isMissing } from '../support/missing-files.ts';
import type { ObjectStore } from './objects.ts';
import { isFile } from './tree-manifest.ts';
import { faceAt, type Face } from './verified-files.ts';

export interface Artifact {
  readonly digest: Digest;
  readonly tree: boolean;
  readonly executable: boolean;
}

export interface LaidFile {
  readonly path: string;
  readonly digest: Digest;
  readonly bytes: number;
  /** Whether it is the store's own file under another name. */
  readonly linked: boolean;
  readonly face: Face;
}

export interface Laid {
  /** The path of the file, or of the folder of a tree. */
  readonly path: string;
  readonly files: readonly LaidFile[];
  /** What every folder holds, itself relative to `path`: name → what it is. For a file only its own place. */
  readonly folders: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export type LayAs = 'links' | 'copies';

/** Files laid or looked at between two turns of the event loop. */
const AT_ONCE = 500;

/** @returns undefined when the artifact is not in the store, or damaged. */
export async function layArtifact(
  objects: ObjectStore,
  { digest, tree, executable }: Artifact,
  path: string,
  as: LayAs,
): Promise<Laid | undefined> {
  const files: LaidFile[] = [];
  const layFile = async (file: Digest, target: string, mayRun: boolean): Promise<boolean> => {
    const laid = await layOne(objects, file, target, mayRun, as);
    if (laid !== undefined) files.push(laid);
    if (files.length % AT_ONCE === 0) await nextTurn();
    return laid !== undefined;
  };
  if (!tree) {
    mkdirSync(dirname(path), { recursive: true });
    return (await layFile(digest, path, executable)) ? { path, files, folders: new Map() } : undefined;
  }
  const entries = await objects.entriesOf(digest);
  if (entries === undefined) return undefined;
  const folders = new Map<string, Map<string, string>>();
  const folderAt = (below: string): Map<string, string> => {
    const known = folders.get(below);
    if (known !== undefined) return known;
    const names = new Map<string, string>();
    folders.set(below, names);
    mkdirSync(join(path, below), { recursive: true });
    if (below !== '') folderAt(parentOf(below)).set(nameOf(below), FOLDER);
    return names;
  };
  folderAt('');
  for (const entry of entries) {
    const names = folderAt('folder' in entry ? entry.path : parentOf(entry.path));
    if (isFile(entry)) {
      if (!(await layFile(entry.digest, join(path, entry.path), entry.executable === true))) return undefined;
      names.set(nameOf(entry.path), FILE);
    } else if ('link' in entry) names.set(nameOf(entry.path), LINK + entry.link);
  }
  // Last: nothing is ever laid through a link.
  for (const entry of entries) if ('link' in entry) symlinkSync(entry.link, join(path, entry.path));
  return { path, files, folders };
}

/** `own`: what lies there is not what was laid. `shared`: a file of the store itself was written into, by whoever had it. */
export type Change = { readonly is: 'own' } | { readonly is: 'shared'; readonly files: readonly LaidFile[] };

/** What has changed since it was laid; undefined when it is what it was, down to the last byte. */
export async function changeOf(objects: ObjectStore, laid: Laid): Promise<Change | undefined> {
  const { path, files, folders } = laid;
  if (![...folders].every(([below, names]) => holdsJust(join(path, below), names))) return { is: 'own' };
  const written: LaidFile[] = [];
  let seen = 0;
  for (const file of files) {
    const change = await changeOfFile(objects, file);
    if (change === 'own') return { is: 'own' };
    if (change === 'shared') written.push(file);
    if (++seen % AT_ONCE === 0) await nextTurn();
  }
  return written.length === 0 ? undefined : { is: 'shared', files: written };
}

/** Takes it away again, and with it every name that it gave to files of the store. */
export async function removeLaid(objects: ObjectStore, { path, files }: Laid): Promise<void> {
  let seen = 0;
  for (const file of files) {
    if (file.linked) objects.verified.unlink(objects.pathOf(file.digest), file.path);
    if (++seen % AT_ONCE === 0) await nextTurn();
  }
  rmSync(path, { recursive: true, force: true });
}

const [FILE, FOLDER, LINK] = ['file', 'folder', 'link '];

function holdsJust(folder: string, names: ReadonlyMap<string, string>): boolean {
  try {
    const found = readdirSync(folder, { withFileTypes: true });
    return (
      found.length === names.size &&
      found.every((entry) => {
        const was = names.get(entry.name);
        if (entry.isFile()) return was === FILE;
        if (entry.isDirectory()) return was === FOLDER;
        return entry.isSymbolicLink() && was === LINK + readlinkSync(join(folder, entry.name));
      })
    );
  } catch (error) {
    // Gone, no folder any more, or closed to its own reader: only the job can have done that.
    if (isMissing(error) || errorCode(error) === 'EACCES') return false;
    throw error;
  }
}

async function changeOfFile(objects: ObjectStore, file: LaidFile): Promise<Change['is'] | undefined> {
  const now = faceAt(file.path);
  if (now === undefined || now.file !== file.face.file) return 'own';
  if (!file.linked) {
    if (now.strict === file.face.strict) return undefined;
    const same = now.runs === file.face.runs && (await digestFile(file.path)) === file.digest;
    return same ? undefined : 'own';
  }
  if (now.lasting !== file.face.lasting) return 'shared';
  if (now.strict === file.face.strict && file.bytes > HASHED_AGAIN_BYTES) return undefined;
  const object = objects.pathOf(file.digest);
  if (now.strict !== file.face.strict && objects.verified.has(object, now)) return undefined;
  // Some systems' clocks of changes stand still for milliseconds: a small file is rather read again than trusted.
  if ((await digestFile(file.path)) !== file.digest) return 'shared';
  if (faceAt(object)?.strict === now.strict) objects.verified.add(object, now);
  return undefined;
}

/** Reading so much takes less than a turn through the thread pool. */
const HASHED_AGAIN_BYTES = 1 << 14;

const NO_LINKS: ReadonlySet<string> = new Set(['EXDEV', 'EMLINK', 'EPERM', 'ENOTSUP', 'ENOSYS']);

async function layOne(
  objects: ObjectStore,
  digest: Digest,
  target: string,
  mayRun: boolean,
  as: LayAs,
): Promise<LaidFile | undefined> {
  const object = objects.pathOf(digest);
  // Twice: a running job may write into the file just now, and a copy of that would be caught only afterwards.
  for (let tries = 0; tries < 2; tries++) {
    if ((await objects.verify({ digest, tree: false })) !== 'intact') return undefined;
    const linked = as === 'links' && faceAt(object)?.runs === mayRun && tryToLink(objects, object, target);
    if (!linked) {
      copyFileSync(object, target, constants.COPYFILE_FICLONE);
      chmodSync(target, mayRun ? 0o555 : 0o444);
    }
    const face = faceAt(target);
    if (face !== undefined && (linked ? objects.verified.has(object, face) : (await digestFile(target)) === digest))
      return { path: target, digest, bytes: face.bytes, linked, face };
    rmSync(target, { force: true });
  }
  return undefined;
}

function tryToLink(objects: ObjectStore, object: string, target: string): boolean {
  try {
    objects.verified.link(object, target);
    return true;
  } catch (error) {
    // File systems without hard links, or too many links to one file.
    if (NO_LINKS.has(errorCode(error) ?? '')) return false;
    throw error;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
