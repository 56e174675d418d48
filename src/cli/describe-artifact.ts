// What a file or folder holds, told by its bytes: safetensors, NPY, JSON, ONNX, a data set's folder, or only a size.
import type { Dirent } from 'node:fs';
import { open, readFile, readdir, readlink, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { byteSize, count } from '../console/quantities.ts';
import { isJsonObject, type Json, type JsonObject } from '../support/json.ts';
import { describeOnnx } from './describe-onnx.ts';

export type Description =
  | {
      readonly kind: 'checkpoint';
      readonly metadata: JsonObject;
      readonly tensors: readonly TensorLine[];
      readonly bytes: number;
    }
  | { readonly kind: 'json'; readonly document: Json }
  | { readonly kind: 'onnx'; readonly model: JsonObject; readonly bytes: number }
  | { readonly kind: 'npy'; readonly header: string; readonly bytes: number }
  | {
      readonly kind: 'folder';
      readonly files: readonly FileLine[];
      /** Links, as `name → where it leads`, and folders with nothing in them. */
      readonly others: readonly string[];
      readonly dataset?: Json;
    }
  | { readonly kind: 'bytes'; readonly bytes: number };

export interface FileLine {
  readonly path: string;
  readonly bytes: number;
  readonly header?: string;
  readonly executable?: true;
}

export interface TensorLine {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

const MAX_JSON_BYTES = 64_000_000;
const MAX_HEADER_BYTES = 100_000_000;

export async function describeArtifact(path: string): Promise<Description> {
  const info = await stat(path);
  if (info.isDirectory()) return describeFolder(path);
  const start = await firstBytes(path, 8);
  const bytes = info.size;
  if (start.subarray(1, 6).toString('latin1') === 'NUMPY') return { kind: 'npy', header: await npyHeader(path), bytes };
  if (bytes <= MAX_JSON_BYTES && /^\s*[[{]/.test(start.toString('latin1'))) {
    const document = parsed(await readFile(path, 'utf8'));
    if (document !== undefined) return { kind: 'json', document };
  }
  const checkpoint = await describeSafetensors(path, start, bytes);
  if (checkpoint !== undefined) return checkpoint;
  const model = await describeOnnx(path);
  return model === undefined ? { kind: 'bytes', bytes } : { kind: 'onnx', model, bytes };
}

export function describeText(description: Description): string {
  switch (description.kind) {
    case 'checkpoint': {
      const { metadata, tensors, bytes } = description;
      const facts = Object.entries(metadata).map(
        ([name, value]) => `  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
      const width = Math.max(0, ...tensors.map(({ name }) => name.length));
      const lines = tensors.map(({ name, dtype, shape }) => `  ${name.padEnd(width)}  ${dtype} [${shape.join(', ')}]`);
      return `${[`safetensors, ${count(tensors.length, 'tensor')}, ${byteSize(bytes)}`, ...facts, ...lines].join('\n')}\n`;
    }
    case 'json':
      return `${JSON.stringify(description.document, null, 2)}\n`;
    case 'onnx':
      return `ONNX, ${byteSize(description.bytes)}\n${JSON.stringify(description.model, null, 2)}\n`;
    case 'npy':
      return `NPY, ${byteSize(description.bytes)}: ${description.header}\n`;
    case 'folder': {
      const lines = description.files.map(
        ({ path, bytes, header, executable }) =>
          `  ${path}  ${byteSize(bytes)}${header === undefined ? '' : `  ${header}`}${executable === true ? '  executable' : ''}`,
      );
      lines.push(...description.others.map((other) => `  ${other}`));
      const dataset = description.dataset === undefined ? '' : `${JSON.stringify(description.dataset, null, 2)}\n`;
      return `folder, ${count(description.files.length, 'file')}\n${lines.join('\n')}\n${dataset}`;
    }
    case 'bytes':
      return `${byteSize(description.bytes)} of no known format\n`;
  }
}

async function describeFolder(folder: string): Promise<Description> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const pathOf = (entry: Dirent): string => join(entry.parentPath, entry.name);
  const shown = (path: string): string => path.slice(folder.length + 1);
  const names = entries
    .filter((entry) => entry.isFile())
    .map(pathOf)
    .sort();
  const files = await Promise.all(
    names.map(async (path): Promise<FileLine> => {
      const { size, mode } = await stat(path);
      return {
        path: shown(path),
        bytes: size,
        ...(path.endsWith('.npy') ? { header: await npyHeader(path) } : {}),
        ...((mode & 0o100) === 0 ? {} : { executable: true }),
      };
    }),
  );
  const full = new Set(entries.map((entry) => entry.parentPath));
  const others = await Promise.all(
    entries.map(async (entry) => {
      const path = pathOf(entry);
      if (entry.isSymbolicLink()) return [`${shown(path)} → ${await readlink(path)}`];
      return entry.isDirectory() && !full.has(path) ? [`${shown(path)}/ (empty)`] : [];
    }),
  );
  const index = names.find((path) => basename(path) === 'dataset.json');
  const dataset = index === undefined ? undefined : parsed(await readFile(index, 'utf8'));
  return {
    kind: 'folder',
    files,
    others: others.flat().sort(),
    ...(dataset === undefined ? {} : { dataset }),
  };
}

/** Only the header is read: a checkpoint may be large. */
async function describeSafetensors(path: string, start: Buffer, bytes: number): Promise<Description | undefined> {
  if (start.length < 8) return undefined;
  const length = Number(start.readBigUInt64LE(0));
  if (length < 2 || length > Math.min(MAX_HEADER_BYTES, bytes - 8)) return undefined;
  const header = parsed((await firstBytes(path, 8 + length)).subarray(8).toString('utf8'));
  if (!isJsonObject(header)) return undefined;
  const { __metadata__: metadata, ...entries } = header;
  const tensors = Object.entries(entries).flatMap(([name, entry]) => {
    if (!isJsonObject(entry) || typeof entry['dtype'] !== 'string' || !Array.isArray(entry['shape'])) return [];
    return [{ name, dtype: entry['dtype'], shape: entry['shape'].map(Number) }];
  });
  return { kind: 'checkpoint', metadata: isJsonObject(metadata) ? metadata : {}, tensors, bytes };
}

/** The dictionary of dtype, order and shape that every NPY file begins with. */
async function npyHeader(path: string): Promise<string> {
  const start = await firstBytes(path, 4096);
  const text = start.toString('latin1');
  return text.slice(text.indexOf('{'), text.indexOf('}') + 1);
}

async function firstBytes(path: string, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
