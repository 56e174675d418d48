// Remembers the digest of a file that has not changed since it was hashed (size, times, inode), which makes a run with
// nothing to do cheap. Never the reason to trust bytes that a job is about to read: see `objects.ts`.
import { join, relative } from 'node:path';
import { digestFile, isDigest, type Digest } from '../support/digest.ts';
import { replaceFile } from '../support/atomic-file.ts';
import { isSettled, stampOf, type FileStamp } from '../support/file-stamp.ts';
import { isMissing } from '../support/missing-files.ts';
import { readSealedJson, sealed } from '../support/sealed-text.ts';
import { isJsonObject } from '../support/json.ts';
import { sharded, type StoreLayout } from './layout.ts';
import { Looks } from './looks.ts';

interface Entry {
  readonly stamp: string;
  readonly digest: Digest;
}

/** Time spent, when there is something to save anyway, on finding out which remembered files are gone. */
const SWEEP_MS = 30;

export class StatCache {
  private readonly layout: StoreLayout;
  /** Absolute path → what is known of it; objects by digest, since that is their name. */
  private files: Map<string, Entry> | undefined;
  private readonly objects = new Map<Digest, string>();
  private readonly used = new Set<string>();
  private readonly vouched = new Set<Digest>();
  private changed = false;
  /** Everything outside the store that was looked at through this cache, and by whoever shares it. */
  readonly looks = new Looks();

  constructor(layout: StoreLayout) {
    this.layout = layout;
  }

  /**
   * The digest of a file, by its stamp where that is known, else by reading it; undefined when there is no such file.
   * The stamp holds the time of the last change of any kind: setting a file's time back hides nothing.
   */
  async digestOf(path: string): Promise<Digest | undefined> {
    const files = this.load();
    const stamp = stampOf(path);
    this.used.add(path);
    this.looks.noteFile(path, stamp);
    if (stamp === undefined) {
      if (files.delete(path)) this.changed = true;
      return undefined;
    }
    const known = files.get(path);
    if (known?.stamp === stamp.strict) return known.digest;
    const digest = await digestIfThere(path);
    if (digest !== undefined && isSettled(stamp) && stampOf(path)?.strict === stamp.strict) {
      this.remember(path, stamp, digest);
    }
    return digest;
  }

  /** Records a digest that the caller has just computed over a file that nobody else writes. */
  remember(path: string, stamp: FileStamp | undefined, digest: Digest): void {
    if (stamp === undefined) return;
    this.load().set(path, { stamp: stamp.strict, digest });
    this.used.add(path);
    this.changed = true;
  }

  /** Whether an object has the stamp that it had when its bytes were hashed. Links to it (trees of jobs) do not count. */
  vouchesFor(digest: Digest, stamp: FileStamp): boolean {
    this.load();
    const vouches = this.objects.get(digest) === stamp.text;
    if (vouches) this.vouched.add(digest);
    return vouches;
  }

  /** The objects that were found to be what they were, with the stamps that say so. */
  vouchedObjects(): readonly (readonly [digest: Digest, stamp: string])[] {
    return [...this.vouched].flatMap((digest) => {
      const stamp = this.objects.get(digest);
      return stamp === undefined ? [] : [[digest, stamp] as const];
    });
  }

  rememberObject(digest: Digest, stamp: FileStamp | undefined): void {
    this.load();
    if (stamp === undefined || this.objects.get(digest) === stamp.text) return;
    this.objects.set(digest, stamp.text);
    this.vouched.add(digest);
    this.changed = true;
  }

  forgetObject(digest: Digest): void {
    this.load();
    this.vouched.delete(digest);
    if (this.objects.delete(digest)) this.changed = true;
  }

  /** Writes what was learnt; a cache, so atomically but without fsync. */
  async save(): Promise<void> {
    if (!this.changed) return;
    this.changed = false;
    this.sweep();
    const files = [...this.load()].map(([path, { stamp, digest }]) => [
      relative(this.layout.root, path),
      stamp,
      digest,
    ]);
    const body = JSON.stringify({ format: 'headgate-stat-cache', version: 2, files, objects: [...this.objects] });
    await replaceFile(this.layout.statCache, sealed(body));
  }

  /** Drops entries of files that are gone, as many as a moment allows, starting anywhere so that all get their turn. */
  private sweep(): void {
    const until = performance.now() + SWEEP_MS;
    const rest = [...this.load().keys()].filter((path) => !this.used.has(path));
    const digests = [...this.objects.keys()];
    const looks = [
      ...rest.map((path) => () => stampOf(path) ?? void this.load().delete(path)),
      ...digests.map(
        (digest) => () => stampOf(sharded(this.layout.objects, digest)) ?? void this.objects.delete(digest),
      ),
    ];
    const start = Math.floor(Math.random() * looks.length);
    for (let step = 0; step < looks.length && performance.now() < until; step++)
      looks[(start + step) % looks.length]?.();
  }

  private load(): Map<string, Entry> {
    if (this.files !== undefined) return this.files;
    const files = new Map<string, Entry>();
    this.files = files;
    const document = readSealedJson(this.layout.statCache);
    if (!isJsonObject(document) || document['version'] !== 2) return files;
    for (const [path, stamp, digest] of rowsOf(document['files'])) {
      if (isDigest(digest ?? ''))
        files.set(join(this.layout.root, path ?? ''), { stamp: stamp ?? '', digest: digest as Digest });
    }
    for (const [digest, stamp] of rowsOf(document['objects'])) {
      if (isDigest(digest ?? '')) this.objects.set(digest as Digest, stamp ?? '');
    }
    return files;
  }
}

async function digestIfThere(path: string): Promise<Digest | undefined> {
  return digestFile(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined; // gone since it was looked at
    throw error;
  });
}

/** The seal vouches that these are the rows this program wrote. */
function rowsOf(value: unknown): readonly (readonly string[])[] {
  return Array.isArray(value) ? (value as readonly (readonly string[])[]) : [];
}
