// All action records by what of their key is known before any input is: answers whether a stage could be restored at all.
// Kept in a file, since only new records have to be read: what a key is the digest of never changes.
import type { Store } from '../store/store.ts';
import { replaceFile } from '../support/atomic-file.ts';
import { digestJson, type Digest } from '../support/digest.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { readSealedJson, sealed } from '../support/sealed-text.ts';

/** Static part of a key → the inputs of every record that has it. */
export type RecordIndex = ReadonlyMap<Digest, readonly JsonObject[]>;

type Row = readonly [key: Digest, statics: Digest, inputs: JsonObject];

const FORMAT = 'headgate-statics';
const VERSION = 1;

/** Read once, when first asked. */
export function recordIndex(store: Store): () => Promise<RecordIndex> {
  let reading: Promise<RecordIndex> | undefined;
  return () => (reading ??= read(store));
}

/** Whether a record has the same settings and code and inputs that agree with those that are known. */
export function hasMatchingRecord(index: RecordIndex, statics: JsonObject, knownInputs: JsonObject): boolean {
  return (index.get(staticDigest(statics)) ?? []).some((inputs) =>
    Object.entries(knownInputs).every(([port, digest]) => inputs[port] === digest),
  );
}

async function read(store: Store): Promise<RecordIndex> {
  const known = new Map(load(store).map((row) => [row[0], row]));
  const rows: Row[] = [];
  let changed = false;
  for (const key of store.actions.keys()) {
    const row = known.get(key) ?? (await readRow(store, key));
    if (row === undefined) continue;
    changed ||= !known.has(key);
    rows.push(row);
  }
  if (changed || rows.length < known.size) {
    await replaceFile(store.layout.statics, sealed(JSON.stringify({ format: FORMAT, version: VERSION, rows })));
  }
  const index = new Map<Digest, JsonObject[]>();
  for (const [, statics, inputs] of rows) {
    const before = index.get(statics);
    if (before === undefined) index.set(statics, [inputs]);
    else before.push(inputs);
  }
  return index;
}

function load(store: Store): readonly Row[] {
  const document = readSealedJson(store.layout.statics);
  if (!isJsonObject(document) || document['format'] !== FORMAT || document['version'] !== VERSION) return [];
  // The seal vouches that these are the rows this program wrote.
  const rows: unknown = document['rows'];
  return rows as readonly Row[];
}

async function readRow(store: Store, key: Digest): Promise<Row | undefined> {
  const record = await store.actions.read(key);
  if (record === undefined) return undefined;
  const { inputs, ...statics } = record.preImage;
  return [key, staticDigest(statics), isJsonObject(inputs) ? inputs : {}];
}

/** Of what of a key is known before any input is. */
export function staticDigest(statics: JsonObject): Digest {
  return digestJson('headgate-statics', 1, statics);
}
