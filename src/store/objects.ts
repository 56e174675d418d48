// Bytes by digest. What goes in is drafted, synced and renamed; what comes out for use is hashed again first, and bytes
// that do not match their name are moved to quarantine and never used. Knows nothing of stages.
import { chmod, copyFile, constants, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { digestBytes, digestFile, type Digest } from '../support/digest.ts';
import { draftName, syncFile, syncFolder } from '../support/atomic-file.ts';
import { isMissing } from '../support/missing-files.ts';
import { sharded, type StoreLayout } from './layout.ts';
import type { StatCache } from './stat-cache.ts';
import { listFiles, manifestText, parseManifest, type TreeEntry } from './tree-manifest.ts';

export interface StoredObject {
  readonly digest: Digest;
  /** Of the file, or of all files of the tree. */
  readonly bytes: number;
  readonly tree: boolean;
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
  /** Files whose bytes this process has hashed: path → stamp that no write can keep (ctime moves even when mtime is set back). */
  private readonly verified = new Map<string, string>();

  constructor(layout: StoreLayout, stats: StatCache, onQuarantine: (what: Quarantined) => void) {
    this.layout = layout;
    this.stats = stats;
    this.onQuarantine = onQuarantine;
  }

  pathOf(digest: Digest): string {
    return sharded(this.layout.objects, digest);
  }

  /** Copies a file into the store. */
  async putFile(source: string): Promise<StoredObject> {
    const draft = await this.newDraft();
    await copyFile(source, draft, constants.COPYFILE_FICLONE);
    return this.publish(draft, await digestFile(draft), (await stat(draft)).size);
  }

  async putBytes(content: string | Uint8Array): Promise<StoredObject> {
    const draft = await this.newDraft();
    await writeFile(draft, content);
    return this.publish(draft, digestBytes(content), (await stat(draft)).size);
  }

  /** Copies a folder into the store: every file an object, the list of them one more. */
  async putTree(folder: string): Promise<StoredObject> {
    const entries: TreeEntry[] = [];
    for (const path of await listFiles(folder)) {
      const { digest, bytes } = await this.putFile(join(folder, path));
      entries.push({ path, digest, bytes });
    }
    const manifest = await this.putBytes(manifestText(entries));
    return { digest: manifest.digest, bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0), tree: true };
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
    return (await this.verifyFile(digest)) === 'intact' ? readFile(this.pathOf(digest), 'utf8') : undefined;
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
    for (const { digest } of entries) {
      const integrity = await look(digest);
      if (integrity !== 'intact') worst = integrity;
    }
    return worst;
  }

  private async checkFile(digest: Digest): Promise<Integrity> {
    const found = await this.stats.digestOf(this.pathOf(digest));
    if (found === undefined) return 'missing';
    return found === digest ? 'intact' : this.quarantine(digest, found);
  }

  private async verifyFile(digest: Digest): Promise<Integrity> {
    const path = this.pathOf(digest);
    const stamp = await strictStamp(path);
    if (stamp === undefined) return 'missing';
    if (this.verified.get(path) === stamp) return 'intact';
    const found = await digestFile(path);
    if (found !== digest) return this.quarantine(digest, found);
    this.verified.set(path, stamp);
    await this.stats.remember(path, digest);
    return 'intact';
  }

  private async quarantine(digest: Digest, found: Digest): Promise<Integrity> {
    const path = this.pathOf(digest);
    const movedTo = join(this.layout.quarantine, `${digest}-${randomBytes(4).toString('hex')}`);
    await mkdir(this.layout.quarantine, { recursive: true });
    await rename(path, movedTo);
    await syncFolder(dirname(path));
    this.stats.forget(path);
    this.verified.delete(path);
    this.onQuarantine({ digest, found, movedTo });
    return 'damaged';
  }

  private async newDraft(): Promise<string> {
    await mkdir(this.layout.drafts, { recursive: true });
    return join(this.layout.drafts, draftName('object'));
  }

  /** Gives a finished draft its name. A sound object of that name stays: a job may be reading it through a link. */
  private async publish(draft: string, digest: Digest, bytes: number): Promise<StoredObject> {
    const path = this.pathOf(digest);
    if ((await this.checkFile(digest)) === 'intact') {
      await rm(draft);
      return { digest, bytes, tree: false };
    }
    await mkdir(dirname(path), { recursive: true });
    await syncFile(draft);
    await chmod(draft, 0o444);
    await rename(draft, path);
    await syncFolder(dirname(path));
    await this.stats.remember(path, digest);
    return { digest, bytes, tree: false };
  }
}

async function strictStamp(path: string): Promise<string | undefined> {
  const info = await stat(path, { bigint: true }).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw new Error(`cannot look at ${basename(path)}`, { cause: error });
  });
  return info === undefined ? undefined : `${info.size}:${info.mtimeNs}:${info.ctimeNs}:${info.ino}`;
}
