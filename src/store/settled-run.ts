// What a run did that found everything cached, with all that it looked at: as long as every stamp is the same, the same call
// comes to the same end, and only the stamps need to be read. A cache: whatever is missing, torn or changed here costs time
// only, since the run then decides stage by stage as ever. One file per workflow, for its last such run.
import { join } from 'node:path';
import type { RunEventBody } from '../events/run-events.ts';
import { replaceFile } from '../support/atomic-file.ts';
import { digestBytes, type Digest } from '../support/digest.ts';
import { stampOf } from '../support/file-stamp.ts';
import type { Json } from '../support/json.ts';
import { isJsonObject } from '../support/json.ts';
import { readSealedJson, sealed } from '../support/sealed-text.ts';
import { sharded, type StoreLayout } from './layout.ts';
import { areUnchanged, type Look } from './looks.ts';

export interface SettledRun {
  /** Names the call: the program, the workflow file, the root and all options that decide. */
  readonly asked: Digest;
  /** Everything outside the store that was looked at. */
  readonly looks: readonly Look[];
  readonly records: readonly (readonly [key: Digest, stamp: string])[];
  readonly objects: readonly (readonly [digest: Digest, stamp: string])[];
  /** All that was journaled, but for the end. */
  readonly events: readonly RunEventBody[];
  readonly counts: { readonly [state: string]: number };
  /** What the caller tells at the end, its own business. */
  readonly delivery: Json;
}

const FORMAT = 'headgate-settled';
const VERSION = 2;

export async function rememberSettled(layout: StoreLayout, workflow: string, run: SettledRun): Promise<void> {
  const document = { format: FORMAT, version: VERSION, ...run };
  await replaceFile(settledPath(layout, workflow), sealed(JSON.stringify(document)));
}

/** The run that this call would be again; undefined when anything is not as it was. */
export function recallSettled(layout: StoreLayout, workflow: string, asked: Digest): SettledRun | undefined {
  const document = readSealedJson(settledPath(layout, workflow));
  if (!isJsonObject(document) || document['format'] !== FORMAT || document['version'] !== VERSION) return undefined;
  // The seal vouches that this is what this program wrote.
  const written: unknown = document;
  const run = written as SettledRun;
  if (run.asked !== asked || !areUnchanged(run.looks)) return undefined;
  const { actions, objects } = layout;
  const recordsHold = run.records.every(([key, stamp]) => stampOf(`${sharded(actions, key)}.json`)?.strict === stamp);
  const objectsHold = run.objects.every(([digest, stamp]) => stampOf(sharded(objects, digest))?.text === stamp);
  return recordsHold && objectsHold ? run : undefined;
}

function settledPath(layout: StoreLayout, workflow: string): string {
  return join(layout.latest, `${digestBytes(workflow).slice(0, 32)}.settled`);
}
