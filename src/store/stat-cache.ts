// Remembers the digest of a file that has not changed since it was hashed (size, modification time, inode), which makes
// a run with nothing to do cheap. Never the reason to trust bytes that a job is about to read: see `objects.ts`.
import { stat } from 'node:fs/promises';
import { digestFile, isDigest, type Digest } from '../support/digest.ts';
import { replaceFile } from '../support/atomic-file.ts';
import { isMissing, readJsonIfPresent } from '../support/missing-files.ts';
import { isJsonObject } from '../support/json.ts';

interface Entry {
  readonly stamp: string;
  readonly digest: Digest;
}

/** A file changed again within one tick of the file system's clock keeps its stamp, so fresh files are not remembered. */
const CLOCK_TICK_NS = 50_000_000n;

export class StatCache {
  private readonly path: string;
  private readonly entries = new Map<string, Entry>();
  private loading: Promise<void> | undefined;
  private changed = false;

  constructor(path: string) {
    this.path = path;
  }

  /** The digest of a file, by its stamp where that is known, else by reading it; undefined when there is no such file. */
  async digestOf(path: string): Promise<Digest | undefined> {
    await this.load();
    const stamp = await stampOf(path);
    if (stamp === undefined) return undefined;
    const known = this.entries.get(path);
    if (known !== undefined && known.stamp === stamp.text) return known.digest;
    const digest = await digestFile(path);
    const settled = BigInt(Date.now()) * 1_000_000n - stamp.mtimeNs > CLOCK_TICK_NS;
    if (settled && (await stampOf(path))?.text === stamp.text) this.set(path, { stamp: stamp.text, digest });
    return digest;
  }

  /** Records a digest that the caller has just computed over a file that nobody else writes. */
  async remember(path: string, digest: Digest): Promise<void> {
    await this.load();
    const stamp = await stampOf(path);
    if (stamp !== undefined) this.set(path, { stamp: stamp.text, digest });
  }

  forget(path: string): void {
    if (this.entries.delete(path)) this.changed = true;
  }

  /** Writes what was learnt; a cache, so atomically but without fsync. */
  async save(): Promise<void> {
    if (!this.changed) return;
    this.changed = false;
    const rows = [...this.entries].map(([path, { stamp, digest }]) => [path, stamp, digest]);
    await replaceFile(this.path, JSON.stringify({ format: 'headgate-stat-cache', version: 1, rows }));
  }

  private set(path: string, entry: Entry): void {
    const known = this.entries.get(path);
    if (known?.stamp === entry.stamp && known.digest === entry.digest) return;
    this.entries.set(path, entry);
    this.changed = true;
  }

  private load(): Promise<void> {
    this.loading ??= this.read();
    return this.loading;
  }

  private async read(): Promise<void> {
    const document = await readJsonIfPresent(this.path);
    if (!isJsonObject(document) || document['version'] !== 1 || !Array.isArray(document['rows'])) return;
    for (const row of document['rows'] as readonly unknown[]) {
      if (!Array.isArray(row)) continue;
      const [path, stamp, digest] = row as readonly unknown[];
      if (typeof path === 'string' && typeof stamp === 'string' && typeof digest === 'string' && isDigest(digest)) {
        this.entries.set(path, { stamp, digest });
      }
    }
  }
}

async function stampOf(path: string): Promise<{ readonly text: string; readonly mtimeNs: bigint } | undefined> {
  const info = await stat(path, { bigint: true }).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (info === undefined) return undefined;
  return { text: `${info.size}:${info.mtimeNs}:${info.ino}`, mtimeNs: info.mtimeNs };
}
