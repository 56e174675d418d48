// Bytes by digest. What goes in is drafted, synced and renamed; what comes out for use is hashed again first, and bytes
// that do not match their name are moved to quarantine and never used. Knows nothing of stages.
import { chmodSync, constants, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { digestBytes, digestFile, type Digest } from '../support/digest.ts';
import { draftName, renameOver, syncFile, syncFolder } from '../support/atomic-file.ts';
import { stampOf } from '../support/file-stamp.ts';
import { errorCode, isMissing } from '../support/missing-files.ts';
import { sharded, type StoreLayout } from './layout.ts';
import type { StatCache } from './stat-cache.ts';
import type { Listed } from './list-tree.ts';
import { isFile, manifestText, parseManifest, type TreeEntry } from './tree-manifest.ts';
import { faceAt, VerifiedFiles } from './verified-files.ts';

export interface StoredObject {
  readonly digest: Digest;
  /** Of the file, or of all files of the tree. */
  readonly bytes: number;
  readonly tree: boolean;
  /** Whether the file may be run as a program. */
  readonly executable?: true;
}

export interface Quarantined {
  readonly digest: Digest;
  readonly found: Digest;
  readonly movedTo: string;
}

export type Integrity = 'intact' | 'missing' | 'damaged';

export class ObjectStore {
  private readonly layout: StoreLayout;
  private readonly stats: StatCache;
  private readonly onQuarantine: (what: Quarantined) => void;
  /** Objects whose bytes this process has hashed. */
  readonly verified = new VerifiedFiles();
  private hasDrafts = false;

  constructor(layout: StoreLayout, stats: StatCache, onQuarantine: (what: Quarantined) => void) {
    this.layout = layout;
    this.stats = stats;
    this.onQuarantine = onQuarantine;
  }

  pathOf(digest: Digest): string {
    return sharded(this.layout.objects, digest);
  }

  /** Which file of the file system an object is now. */
  fileOf(digest: Digest): string | undefined {
    return faceAt(this.pathOf(digest))?.file;
  }

  /** Copies a file into the store (as a reflink where the file system can). */
  async putFile(source: string): Promise<StoredObject> {
    const draft = this.newDraft();
    await this.drafting(draft, () => copyFile(source, draft, constants.COPYFILE_FICLONE));
    return this.publish(draft, mayBeRun(draft));
  }

  /**
   * Moves a file of a finished job into the store, which costs nothing however large it is. A file with other names (hard
   * links, perhaps to a file of the user) is copied: the store's objects are nobody else's.
   */
  async takeFile(source: string): Promise<StoredObject> {
    const draft = this.newDraft();
    if (!(await this.drafting(draft, () => Promise.resolve(moveOnlyName(source, draft))))) return this.putFile(source);
    return this.publish(draft, mayBeRun(draft));
  }

  async putBytes(content: string | Uint8Array): Promise<StoredObject> {
    const draft = this.newDraft();
    await this.drafting(draft, () => Promise.resolve(writeFileSync(draft, content)));
    return this.publish(draft, false, digestBytes(content));
  }

  /** Takes a folder of a finished job into the store: every file an object, the list of them one more. */
  async takeTree(folder: string, listed: readonly Listed[]): Promise<StoredObject> {
    return this.putEntries(listed, (path) => this.takeFile(join(folder, path)));
  }

  /** Copies a folder into the store. */
  async putTree(folder: string, listed: readonly Listed[]): Promise<StoredObject> {
    return this.putEntries(listed, (path) => this.putFile(join(folder, path)));
  }

  /** Whether an object is there and unchanged as far as file stamps tell; reads only what the stamps do not vouch for. */
  async check(object: { readonly digest: Digest; readonly tree: boolean }): Promise<Integrity> {
    return this.each(object, (digest) => this.checkFile(digest));
  }

  /** Whether an object's bytes are the ones it is named after. */
  async verify(object: { readonly digest: Digest; readonly tree: boolean }): Promise<Integrity> {
    return this.each(object, (digest) => this.verifyFile(digest));
  }

  /** The text of a small object, verified; undefined when it is missing or damaged. */
  async readText(digest: Digest): Promise<string | undefined> {
    return (await this.verifyFile(digest)) === 'intact' ? readFileSync(this.pathOf(digest), 'utf8') : undefined;
  }

  async entriesOf(digest: Digest): Promise<readonly TreeEntry[] | undefined> {
    const text = await this.readText(digest);
    return text === undefined ? undefined : parseManifest(text);
  }

  private async each(
    object: { readonly digest: Digest; readonly tree: boolean },
    look: (digest: Digest) => Promise<Integrity>,
  ): Promise<Integrity> {
    const own = await look(object.digest);
    if (own !== 'intact' || !object.tree) return own;
    const entries = await this.entriesOf(object.digest);
    if (entries === undefined) return 'damaged';
    let worst: Integrity = 'intact';
    for (const { digest } of entries.filter(isFile)) {
      const integrity = await look(digest);
      if (integrity !== 'intact') worst = integrity;
    }
    return worst;
  }

  private async putEntries(
    listed: readonly Listed[],
    put: (path: string) => Promise<StoredObject>,
  ): Promise<StoredObject> {
    const entries: TreeEntry[] = [];
    let total = 0;
    for (const found of listed) {
      const { path } = found;
      if (found.is === 'link') entries.push({ path, link: found.to });
      else if (found.is === 'empty-folder') entries.push({ path, folder: true });
      else {
        const { digest, bytes, executable } = await put(path);
        entries.push({ path, digest, bytes, ...(executable === undefined ? {} : { executable }) });
        total += bytes;
      }
    }
    const manifest = await this.putBytes(manifestText(entries));
    return { digest: manifest.digest, bytes: total, tree: true };
  }

  private async checkFile(digest: Digest): Promise<Integrity> {
    const stamp = stampOf(this.pathOf(digest));
    if (stamp === undefined) return 'missing';
    return this.stats.vouchesFor(digest, stamp) ? 'intact' : this.verifyFile(digest);
  }

  private async verifyFile(digest: Digest): Promise<Integrity> {
    const path = this.pathOf(digest);
    const face = faceAt(path);
    if (face === undefined) return 'missing';
    if (this.verified.has(path, face)) return 'intact';
    const found = await digestFile(path).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (found === undefined) return 'missing';
    if (found !== digest) {
      // Two stages may read the same damage at once: what is there by now is judged, not what was.
      return faceAt(path)?.strict === face.strict ? this.quarantine(digest, found) : this.verifyFile(digest);
    }
    this.verified.add(path, face);
    this.stats.rememberObject(digest, stampOf(path));
    return 'intact';
  }

  /**
   * Puts a file of its own in the place of an object that others have written into, whether or not its bytes are right by
   * now: sound bytes get a new file, others are quarantined. Whoever still has the old file can tell that it is the old one.
   */
  async renew(digest: Digest): Promise<Integrity> {
    const path = this.pathOf(digest);
    const integrity = await this.verifyFile(digest);
    if (integrity !== 'intact') return integrity;
    const draft = this.newDraft();
    await this.drafting(draft, () => copyFile(path, draft, constants.COPYFILE_FICLONE));
    try {
      chmodSync(draft, 0o444);
      if ((await digestFile(draft)) !== digest) return await this.verifyFile(digest);
      await syncFile(draft);
      renameInto(draft, path);
      this.stats.rememberObject(digest, stampOf(path));
      return 'intact';
    } finally {
      rmSync(draft, { force: true });
    }
  }

  private async quarantine(digest: Digest, found: Digest): Promise<Integrity> {
    const path = this.pathOf(digest);
    const movedTo = join(this.layout.quarantine, `${digest}-${randomBytes(4).toString('hex')}`);
    mkdirSync(this.layout.quarantine, { recursive: true });
    try {
      renameSync(path, movedTo);
    } catch (error) {
      if (isMissing(error)) return 'missing'; // another engine was quicker
      throw error;
    }
    await syncFolder(dirname(path));
    this.stats.forgetObject(digest);
    this.verified.drop(path);
    this.onQuarantine({ digest, found, movedTo });
    return 'damaged';
  }

  private newDraft(): string {
    return join(this.layout.drafts, draftName('object'));
  }

  /** Makes a draft, and the folder for it where there is none yet; leaves nothing behind when that fails. */
  private async drafting<T>(draft: string, make: () => Promise<T>): Promise<T> {
    try {
      if (!this.hasDrafts) mkdirSync(this.layout.drafts, { recursive: true });
      this.hasDrafts = true;
      return await make();
    } catch (error) {
      this.hasDrafts = false;
      rmSync(draft, { force: true });
      throw error;
    }
  }

  /** Gives a finished draft its name. A sound object of that name stays: a job may be reading it through a link. */
  private async publish(draft: string, executable: boolean, known?: Digest): Promise<StoredObject> {
    try {
      chmodSync(draft, executable ? 0o555 : 0o444); // first: it may have been one that nobody can read
      const digest = known ?? (await digestFile(draft));
      const path = this.pathOf(digest);
      const bytes = stampOf(draft)?.bytes ?? 0;
      const stored: StoredObject = { digest, bytes, tree: false, ...(executable ? { executable } : {}) };
      if ((await this.checkFile(digest)) === 'intact') {
        rmSync(draft);
        return stored;
      }
      await syncFile(draft);
      renameInto(draft, path);
      await syncFolder(dirname(path));
      this.stats.rememberObject(digest, stampOf(path));
      return stored;
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  }
}

/** Whether its owner may run the file, which is the bit that version control keeps. */
function mayBeRun(path: string): boolean {
  return (lstatSync(path).mode & 0o100) !== 0;
}

/** False when the file has other names, is a link, or cannot be moved here: then only its bytes may be taken. */
function moveOnlyName(source: string, draft: string): boolean {
  const info = lstatSync(source);
  if (!info.isFile() || info.nlink !== 1 || (process.getuid !== undefined && info.uid !== process.getuid()))
    return false;
  try {
    renameSync(source, draft);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EXDEV') return false;
    throw error;
  }
}

function renameInto(draft: string, path: string): void {
  try {
    renameOver(draft, path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    mkdirSync(dirname(path), { recursive: true });
    renameOver(draft, path);
  }
}
