// What is known of the contents of watched files and folders, and which of them have changed since that was last told. A
// touched file whose bytes are the same has not changed.
import type { Digest } from '../support/digest.ts';

export class KnownContents {
  private readonly digestOf: (path: string) => Promise<Digest | undefined>;
  /** By path; null for none. */
  private readonly digests = new Map<string, Digest | null>();
  private readonly touched = new Set<string>();
  private readonly edited = new Set<string>();

  constructor(digestOf: (path: string) => Promise<Digest | undefined>) {
    this.digestOf = digestOf;
  }

  /** They may have changed; looked at by the next `compare`. */
  touch(paths: readonly string[]): void {
    for (const path of paths) this.touched.add(path);
  }

  /** They have changed, whatever their digests say. */
  markEdited(paths: readonly string[]): void {
    for (const path of paths) this.edited.add(path);
  }

  get anyEdited(): boolean {
    return this.edited.size > 0;
  }

  /** Those edited since the last call. */
  takeEdited(): readonly string[] {
    const edited = [...this.edited];
    this.edited.clear();
    return edited;
  }

  /** What of the touched has other bytes than before. */
  async compare(): Promise<readonly string[]> {
    const touched = [...this.touched];
    this.touched.clear();
    const differing: string[] = [];
    for (const path of touched) {
      const before = this.digests.get(path);
      if ((await this.learn(path)) !== before) differing.push(path);
    }
    return differing;
  }

  /** By path, looked at where that was not done before. */
  async of(paths: Iterable<string>): Promise<ReadonlyMap<string, Digest | null>> {
    const known = new Map<string, Digest | null>();
    for (const path of paths) known.set(path, this.digests.get(path) ?? (await this.learn(path)));
    return known;
  }

  /** Of files that are no longer watched nothing is known. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of this.digests.keys()) if (!paths.has(path)) this.digests.delete(path);
  }

  private async learn(path: string): Promise<Digest | null> {
    const digest = (await this.digestOf(path)) ?? null;
    this.digests.set(path, digest);
    return digest;
  }
}
