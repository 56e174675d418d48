// Action records: what a key's work gave. Immutable JSON files by key, the truth that every cache decision reads; and per
// workflow the key that each stage had last, which is only there to say what changed.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from '../support/canonical-json.ts';
import { digestBytes, isDigest, type Digest } from '../support/digest.ts';
import { replaceFile, writeFileAtomic } from '../support/atomic-file.ts';
import { isJsonObject } from '../support/json.ts';
import { stampOf } from '../support/file-stamp.ts';
import { isMissing, isNoFile, readJsonIfPresent } from '../support/missing-files.ts';
import { readSmallFile } from '../support/regular-file.ts';
import { ActionIndex } from './action-index.ts';
import { recordIn, recordText, restorable, type ActionRecord, type RestorableRecord } from './action-record.ts';
import { sharded, type StoreLayout } from './layout.ts';

export { KEY_TAG, KEY_VERSION, keyOf, type ActionRecord, type RestorableRecord } from './action-record.ts';

export class ActionStore {
  private readonly layout: StoreLayout;
  private readonly index: ActionIndex;

  constructor(layout: StoreLayout) {
    this.layout = layout;
    this.index = new ActionIndex(layout);
  }

  /** The record of a key. A file that does not say what its name promises, or not what was written, is a miss. */
  async read(key: Digest): Promise<ActionRecord | undefined> {
    return Promise.resolve(this.readNow(key));
  }

  /** What a stage with this key gave: from the index where the record's file is still the one that was indexed. */
  recall(key: Digest): RestorableRecord | undefined {
    const stamp = stampOf(this.pathOf(key))?.strict;
    if (stamp === undefined) return undefined;
    const known = this.index.get(key, stamp);
    if (known !== undefined) return known;
    const record = this.readNow(key);
    if (record !== undefined) this.index.put(stamp, restorable(record));
    return record;
  }

  /** The same key always gives the same record; a later one only replaces it when its outputs were lost or it was forced. */
  async write(record: ActionRecord): Promise<void> {
    const path = this.pathOf(record.key);
    await writeFileAtomic(path, recordText(record));
    const stamp = stampOf(path)?.strict;
    if (stamp !== undefined) this.index.put(stamp, restorable(record));
  }

  /** Loads what was last written for this workflow; `save` writes for the same. */
  openIndex(workflow: string): void {
    this.index.open(workflow);
  }

  async saveIndex(): Promise<void> {
    await this.index.save();
  }

  /** The records that were recalled or written, with the stamps of their files. */
  recalled(): readonly (readonly [key: Digest, stamp: string])[] {
    return this.index.usedRecords();
  }

  /** Every key that has a file, readable or not. */
  keys(): readonly Digest[] {
    return namesIn(this.layout.actions).flatMap((shard) =>
      namesIn(join(this.layout.actions, shard)).flatMap((name) => {
        const key = name.endsWith('.json') ? name.slice(0, -'.json'.length) : '';
        return isDigest(key) ? [key] : [];
      }),
    );
  }

  /** Every readable record: for questions that no single key answers. */
  all(): Promise<readonly ActionRecord[]> {
    return Promise.resolve(this.keys().flatMap((key) => this.readNow(key) ?? []));
  }

  private readNow(key: Digest): ActionRecord | undefined {
    return recordIn(readJsonNow(this.pathOf(key)), key);
  }

  pathOf(key: Digest): string {
    return `${sharded(this.layout.actions, key)}.json`;
  }
}

const SAVE_EVERY_MS = 2000;

/** Which key each stage of a workflow had in its newest run: a cache of the journals, so losing it costs only explanations. */
export class LatestKeys {
  private readonly path: string;
  private readonly keys: Map<string, Digest>;
  private changed = false;
  private savedAt = Number.NEGATIVE_INFINITY;

  private constructor(path: string, keys: Map<string, Digest>) {
    this.path = path;
    this.keys = keys;
  }

  static async open(layout: StoreLayout, workflow: string): Promise<LatestKeys> {
    const path = join(layout.latest, `${digestBytes(workflow).slice(0, 32)}.json`);
    const document = await readJsonIfPresent(path);
    const stages = isJsonObject(document) && isJsonObject(document['stages']) ? document['stages'] : {};
    const keys = new Map<string, Digest>();
    for (const [stage, key] of Object.entries(stages)) {
      if (typeof key === 'string' && isDigest(key)) keys.set(stage, key);
    }
    return new LatestKeys(path, keys);
  }

  of(stage: string): Digest | undefined {
    return this.keys.get(stage);
  }

  all(): Iterable<Digest> {
    return this.keys.values();
  }

  set(stage: string, key: Digest): void {
    if (this.keys.get(stage) === key) return;
    this.keys.set(stage, key);
    this.changed = true;
  }

  async save(): Promise<void> {
    if (!this.changed) return;
    this.changed = false;
    await replaceFile(this.path, canonicalJson({ format: 'headgate-latest', stages: Object.fromEntries(this.keys) }));
  }

  /** For the middle of a run: saves when the last time is a while ago. */
  async saveNowAndThen(): Promise<void> {
    const now = performance.now();
    if (now - this.savedAt < SAVE_EVERY_MS) return;
    this.savedAt = now;
    await this.save();
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Synchronously: a record is small, and a run with nothing to do reads one per stage that no index knows. */
function readJsonNow(path: string): unknown {
  try {
    return JSON.parse(readSmallFile(path)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error) || isNoFile(error)) return undefined;
    throw error;
  }
}
