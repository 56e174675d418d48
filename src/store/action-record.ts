// What is kept of a key's work, and how a record says of itself that it is whole. Types and pure functions only.
import type { OutputRecord, StageFacts } from '../events/run-events.ts';
import { digestJson, type Digest } from '../support/digest.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';

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
    /** Of work, with that of earlier attempts whose state it went on from. */
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

/** What restoring needs of a record: everything but the pre-image, which only says how one key differs from another. */
export type RestorableRecord = Pick<ActionRecord, 'key' | 'outputs' | 'summary' | 'facts' | 'verdict'> & {
  readonly madeBy: Omit<ActionRecord['madeBy'], 'host'>;
};

export function restorable({ key, outputs, summary, facts, verdict, madeBy }: ActionRecord): RestorableRecord {
  const { host: _, ...maker } = madeBy;
  return { key, outputs, summary, facts, ...(verdict === undefined ? {} : { verdict }), madeBy: maker };
}

/** The text of a record's file. */
export function recordText(record: ActionRecord): string {
  const plain = JSON.parse(JSON.stringify(record)) as JsonObject;
  return `${JSON.stringify({ ...plain, seal: sealOf(plain) }, null, 1)}\n`;
}

/** The record that a file's JSON holds for a key; undefined when it is another's, or not what was written. */
export function recordIn(document: unknown, key: Digest): ActionRecord | undefined {
  if (!isJsonObject(document)) return undefined;
  const { seal, ...record } = document;
  return isActionRecord(record) && record.key === key && seal === sealOf(record) ? record : undefined;
}

/** Outputs, verdict and facts are not in the key: without it one flipped bit could choose another branch. */
function sealOf(record: JsonObject): Digest {
  return digestJson('headgate-action-seal', 1, record);
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
