// The action records that a workflow's runs restored last, in one file read at once: a run with nothing to do then looks at
// its records' stamps and opens none of them. A cache of `actions/`, which stays the truth: whatever is missing here, torn,
// or older than the record's file is read from there and put right by the next save.
import { join } from 'node:path';
import { digestBytes, type Digest } from '../support/digest.ts';
import { replaceFile } from '../support/atomic-file.ts';
import { isJsonObject } from '../support/json.ts';
import { readSealedJson, sealed } from '../support/sealed-text.ts';
import type { RestorableRecord } from './action-record.ts';
import type { StoreLayout } from './layout.ts';

interface Entry {
  /** Of the record's file when it was read. */
  readonly stamp: string;
  readonly record: RestorableRecord;
}

const FORMAT = 'headgate-action-index';
const VERSION = 1;
/** Records of earlier edits are kept too, since edits are often taken back; but only so many beside those in use. */
const UNUSED_KEPT = 1000;

export class ActionIndex {
  private readonly layout: StoreLayout;
  private path: string | undefined;
  /** In the order of use, the latest last. */
  private readonly entries = new Map<Digest, Entry>();
  private readonly used = new Set<Digest>();
  private changed = false;

  constructor(layout: StoreLayout) {
    this.layout = layout;
  }

  /** Loads what was last saved for a workflow. */
  open(workflow: string): void {
    const path = indexPath(this.layout, workflow);
    if (this.path === path) return;
    this.path = path;
    const document = readSealedJson(path);
    if (!isJsonObject(document) || document['format'] !== FORMAT || document['version'] !== VERSION) return;
    // The seal vouches that these are the rows this program wrote.
    const rows: unknown = document['rows'];
    for (const [stamp, record] of rows as readonly (readonly [string, RestorableRecord])[]) {
      if (!this.entries.has(record.key)) this.entries.set(record.key, { stamp, record });
    }
  }

  get(key: Digest, stamp: string): RestorableRecord | undefined {
    const entry = this.entries.get(key);
    if (entry?.stamp !== stamp) return undefined;
    this.used.add(key);
    return entry.record;
  }

  put(stamp: string, record: RestorableRecord): void {
    this.entries.set(record.key, { stamp, record });
    this.used.add(record.key);
    this.changed = true;
  }

  /** The records that were asked for, with the stamps of their files. */
  usedRecords(): readonly (readonly [key: Digest, stamp: string])[] {
    return [...this.used].flatMap((key) => {
      const stamp = this.entries.get(key)?.stamp;
      return stamp === undefined ? [] : [[key, stamp] as const];
    });
  }

  async save(): Promise<void> {
    if (!this.changed || this.path === undefined) return;
    this.changed = false;
    const unused = [...this.entries.keys()].filter((key) => !this.used.has(key)).slice(-UNUSED_KEPT);
    const rows = [...unused, ...this.used].flatMap((key) => {
      const entry = this.entries.get(key);
      return entry === undefined ? [] : [[entry.stamp, entry.record]];
    });
    await replaceFile(this.path, sealed(JSON.stringify({ format: FORMAT, version: VERSION, rows })));
  }
}

function indexPath(layout: StoreLayout, workflow: string): string {
  return join(layout.latest, `${digestBytes(workflow).slice(0, 32)}.index`);
}
