// Action records: what a key's work gave. Immutable JSON files by key, the truth that every cache decision reads; and per
// workflow the key that each stage had last, which is only there to say what changed.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputRecord, StageFacts } from '../events/run-events.ts';
import { canonicalJson } from '../support/canonical-json.ts';
import { digestBytes, digestJson, isDigest, type Digest } from '../support/digest.ts';
import { replaceFile, writeFileAtomic } from '../support/atomic-file.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { isMissing, readJsonIfPresent } from '../support/missing-files.ts';
import { sharded, type StoreLayout } from './layout.ts';

export interface ActionRecord {
  readonly format: 'headgate-action';
  readonly version: 1;
  readonly key: Digest;
  /** What the key is the digest of. */
  readonly preImage: JsonObject;
  readonly outputs: { readonly [port: string]: OutputRecord };
  readonly summary: JsonObject;
  readonly facts: StageFacts;
  /** For gates: the verdict artifact's content. */
  readonly verdict?: JsonObject;
  readonly madeBy: {
    readonly run: string;
    readonly stage: string;
    readonly attempt: number;
    readonly milliseconds: number;
    readonly time: string;
    /** Recorded, not keyed. */
    readonly host: JsonObject;
  };
}

export const KEY_TAG = 'headgate-stage';
export const KEY_VERSION = 1;

export function keyOf(preImage: JsonObject): Digest {
  return digestJson(KEY_TAG, KEY_VERSION, preImage);
}

export class ActionStore {
  private readonly layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.layout = layout;
  }

  /** The record of a key. A file that does not say what its name promises, or not what was written, is a miss. */
  async read(key: Digest): Promise<ActionRecord | undefined> {
    const document = await readJsonIfPresent(this.pathOf(key));
    if (!isJsonObject(document)) return undefined;
    const { seal, ...record } = document;
    return isActionRecord(record) && record.key === key && seal === sealOf(record) ? record : undefined;
  }

  /** The same key always gives the same record; a later one only replaces it when its outputs were lost or it was forced. */
  async write(record: ActionRecord): Promise<void> {
    const plain = JSON.parse(JSON.stringify(record)) as JsonObject;
    await writeFileAtomic(this.pathOf(record.key), `${JSON.stringify({ ...plain, seal: sealOf(plain) }, null, 1)}\n`);
  }

  /** Every readable record: for questions that no single key answers. */
  async all(): Promise<readonly ActionRecord[]> {
    const records: ActionRecord[] = [];
    for (const shard of await namesIn(this.layout.actions)) {
      for (const name of await namesIn(join(this.layout.actions, shard))) {
        const key = name.replace(/\.json$/, '');
        const record = isDigest(key) ? await this.read(key) : undefined;
        if (record !== undefined) records.push(record);
      }
    }
    return records;
  }

  private pathOf(key: Digest): string {
    return `${sharded(this.layout.actions, key)}.json`;
  }
}

/** Outputs, verdict and facts are not in the key: without it one flipped bit could choose another branch. */
function sealOf(record: JsonObject): Digest {
  return digestJson('headgate-action-seal', 1, record);
}

const SAVE_EVERY_MS = 2000;

/** Which key each stage of a workflow had in its newest run: a cache of the journals, so losing it costs only explanations. */
export class LatestKeys {
  private readonly path: string;
  private readonly keys: Map<string, Digest>;
  private changed = false;
  private savedAt = 0;

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
    if (Date.now() - this.savedAt < SAVE_EVERY_MS) return;
    this.savedAt = Date.now();
    await this.save();
  }
}

function isActionRecord(value: JsonObject): value is ActionRecord & JsonObject {
  return (
    value['format'] === 'headgate-action' &&
    value['version'] === 1 &&
    isJsonObject(value['preImage']) &&
    isJsonObject(value['outputs']) &&
    value['key'] === keyOf(value['preImage'])
  );
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}
