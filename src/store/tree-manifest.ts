// A folder as a value: its files by path, digest and size, its empty folders and its links, in one order. The manifest's own
// bytes hash to the tree's digest. A folder of plain files has the form and the digest of version 1, which knew nothing else.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { byCodeUnit, canonicalJson } from '../support/canonical-json.ts';
import { digestJson, isDigest, type Digest } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';

export type TreeEntry = FileEntry | EmptyFolder | LinkEntry;

/** Paths are relative, with forward slashes. */
export type FileEntry = {
  readonly path: string;
  readonly digest: Digest;
  readonly bytes: number;
  readonly executable?: true;
};

/** Folders with something in them are known by that. */
export type EmptyFolder = {
  readonly path: string;
  readonly folder: true;
};

export type LinkEntry = {
  readonly path: string;
  /** The link's target, relative to the folder it lies in and never out of the tree. */
  readonly link: string;
};

const TAG = 'headgate-tree';

export function treeDigest(entries: readonly TreeEntry[]): Digest {
  return digestJson(TAG, versionOf(entries), sorted(entries));
}

/** The text whose SHA-256 is `treeDigest(entries)`. */
export function manifestText(entries: readonly TreeEntry[]): string {
  return canonicalJson([TAG, versionOf(entries), sorted(entries)]);
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
  if (tag !== TAG || !Array.isArray(entries) || (version !== 1 && version !== 2)) return undefined;
  const parsed = (entries as readonly unknown[]).map(version === 1 ? parseFile : parseEntry);
  return parsed.every((entry) => entry !== undefined) && liesInFolders(parsed) ? parsed : undefined;
}

export function isFile(entry: TreeEntry): entry is FileEntry {
  return 'digest' in entry;
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

function versionOf(entries: readonly TreeEntry[]): 1 | 2 {
  return entries.every((entry) => isFile(entry) && entry.executable !== true) ? 1 : 2;
}

function sorted(entries: readonly TreeEntry[]): readonly TreeEntry[] {
  return [...entries].sort((left, right) => byCodeUnit(left.path, right.path));
}

function parseEntry(value: unknown): TreeEntry | undefined {
  if (!isJsonObject(value)) return undefined;
  const { path, folder, link, executable } = value;
  if (typeof path !== 'string' || !isInside(path)) return undefined;
  if (folder === true) return { path, folder };
  if (typeof link === 'string') return link === '' || link.startsWith('/') ? undefined : { path, link };
  const file = parseFile(value);
  return file === undefined || executable !== true ? file : { ...file, executable };
}

function parseFile(value: unknown): FileEntry | undefined {
  if (!isJsonObject(value)) return undefined;
  const { path, digest, bytes } = value;
  if (typeof path !== 'string' || typeof digest !== 'string' || typeof bytes !== 'number') return undefined;
  return isInside(path) && isDigest(digest) ? { path, digest, bytes } : undefined;
}

function isInside(path: string): boolean {
  return !path.startsWith('/') && !path.split('/').includes('..');
}

/** Nothing lies in what is no folder: a file laid through a link could come to lie anywhere. */
function liesInFolders(entries: readonly TreeEntry[]): boolean {
  const leaves = new Set(entries.map(({ path }) => path));
  return entries.every(({ path }) => {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      if (leaves.has(path.slice(0, slash))) return false;
    }
    return true;
  });
}
