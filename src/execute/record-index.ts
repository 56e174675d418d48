// All action records by what of their key is known before any input is: answers whether a stage could be restored at all.
import type { ActionRecord } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import { digestJson, type Digest } from '../support/digest.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';

export type RecordIndex = ReadonlyMap<Digest, readonly ActionRecord[]>;

/** Read once, when first asked. */
export function recordIndex(store: Store): () => Promise<RecordIndex> {
  let reading: Promise<RecordIndex> | undefined;
  return () => (reading ??= read(store));
}

/** Records with the same settings and code whose inputs agree with those that are known. */
export function matchingRecords(
  index: RecordIndex,
  statics: JsonObject,
  knownInputs: JsonObject,
): readonly ActionRecord[] {
  return (index.get(staticDigest(statics)) ?? []).filter(({ preImage }) => {
    const inputs = preImage['inputs'];
    return isJsonObject(inputs) && Object.entries(knownInputs).every(([port, digest]) => inputs[port] === digest);
  });
}

async function read(store: Store): Promise<RecordIndex> {
  const index = new Map<Digest, ActionRecord[]>();
  for (const record of await store.actions.all()) {
    const statics = Object.fromEntries(Object.entries(record.preImage).filter(([name]) => name !== 'inputs'));
    const digest = staticDigest(statics);
    const known = index.get(digest);
    if (known === undefined) index.set(digest, [record]);
    else known.push(record);
  }
  return index;
}

function staticDigest(statics: JsonObject): Digest {
  return digestJson('headgate-statics', 1, statics);
}
