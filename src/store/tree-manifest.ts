// A folder as a value: its files by path, digest and size, in one order. The manifest's own bytes hash to the tree's digest.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { byCodeUnit, canonicalJson } from '../support/canonical-json.ts';
import { digestJson, isDigest, type Digest } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';

export type TreeEntry = {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly digest: Digest;
  readonly bytes: number;
};

const TAG = 'headgate-tree';
const VERSION = 1;

export function treeDigest(entries: readonly TreeEntry[]): Digest {
  return digestJson(TAG, VERSION, sorted(entries));
}

/** The text whose SHA-256 is `treeDigest(entries)`. */
export function manifestText(entries: readonly TreeEntry[]): string {
  return canonicalJson([TAG, VERSION, sorted(entries)]);
}

/** The entries of a manifest, or undefined when the text is none or names a path outside its own folder. */
export function parseManifest(text: string): readonly TreeEntry[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(document)) return undefined;
  const [tag, version, entries] = document as readonly unknown[];
  if (tag !== TAG || version !== VERSION || !Array.isArray(entries)) return undefined;
  const parsed = (entries as readonly unknown[]).map(parseEntry);
  return parsed.every((entry) => entry !== undefined) ? parsed : undefined;
}

/** Every file below a folder, relative, in one order; links are followed by whoever reads them. */
export async function listFiles(folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  const visit = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(folder, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) await visit(path);
      else names.push(path);
    }
  };
  await visit('');
  return names.sort(byCodeUnit);
}

function sorted(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  return [...entries].sort((left, right) => byCodeUnit(left.path, right.path));
}

function parseEntry(value: unknown): TreeEntry | undefined {
  if (!isJsonObject(value)) return undefined;
  const { path, digest, bytes } = value;
  if (typeof path !== 'string' || typeof digest !== 'string' || typeof bytes !== 'number') return undefined;
  const inside = !path.startsWith('/') && !path.split('/').includes('..');
  return inside && isDigest(digest) ? { path, digest, bytes } : undefined;
}
