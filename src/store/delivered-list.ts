// What headgate itself has put into a folder of `out/`: so that what it no longer delivers can go, and what a person put
// there is never taken for its own. A list that is lost or damaged costs that knowledge only: then nothing is removed.
import { join } from 'node:path';
import { replaceFile } from '../support/atomic-file.ts';
import { byCodeUnit } from '../support/canonical-json.ts';
import { digestBytes, isDigest, type Digest } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';
import { readSealedJson, sealed } from '../support/sealed-text.ts';
import type { StoreLayout } from './layout.ts';

export interface DeliveredEntry {
  /** The name of the file or folder. */
  readonly name: string;
  readonly digest: Digest;
  readonly tree: boolean;
  /** The workflow file: two that have one name share the folder, and neither removes what the other gave. */
  readonly workflow: string;
  readonly stage: string;
  readonly port: string;
}

const FORMAT = 'headgate-delivered';
const VERSION = 1;

/** Undefined where there is none, as in folders that earlier programs filled. */
export function readDelivered(layout: StoreLayout, folder: string): readonly DeliveredEntry[] | undefined {
  const document = readSealedJson(pathOf(layout, folder));
  if (!isJsonObject(document) || document['format'] !== FORMAT || document['version'] !== VERSION) return undefined;
  const { entries } = document;
  if (!Array.isArray(entries)) return undefined;
  const read = entries.map(entryIn);
  return read.every((entry) => entry !== undefined) ? read : undefined;
}

/** @param before what is written there: the same list is not written again. */
export async function writeDelivered(
  layout: StoreLayout,
  folder: string,
  entries: readonly DeliveredEntry[],
  before: readonly DeliveredEntry[] | undefined,
): Promise<void> {
  const text = bodyOf(entries);
  if (before === undefined || text !== bodyOf(before)) await replaceFile(pathOf(layout, folder), sealed(text));
}

function bodyOf(entries: readonly DeliveredEntry[]): string {
  const rows = entries
    .map(({ name, digest, tree, workflow, stage, port }) => ({ name, digest, tree, workflow, stage, port }))
    .sort((left, right) => byCodeUnit(left.name, right.name));
  return JSON.stringify({ format: FORMAT, version: VERSION, entries: rows });
}

function entryIn(value: unknown): DeliveredEntry | undefined {
  if (!isJsonObject(value)) return undefined;
  const { name, digest, tree, workflow, stage, port } = value;
  const words = [name, digest, workflow, stage, port];
  if (!words.every((word) => typeof word === 'string') || typeof tree !== 'boolean') return undefined;
  const [file = '', hash = '', from = '', maker = '', output = ''] = words;
  // A name of one step: it is joined to the folder, and what it leads to may be removed.
  if (/^\.{0,2}$|[/\0]/.test(file) || !isDigest(hash)) return undefined;
  return { name: file, digest: hash, tree, workflow: from, stage: maker, port: output };
}

function pathOf({ delivered }: StoreLayout, folder: string): string {
  return join(delivered, digestBytes(folder).slice(0, 32));
}
