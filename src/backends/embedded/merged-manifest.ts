// merged.json: what a merged model's folder holds, file by file and tensor by tensor, by SHA-256. A released model is read
// only as it was written; a file that is another one is named, and in it the tensor. Knows the bytes, not what they mean.
import { join } from 'node:path';
import { digestBytes, isDigest } from '../../support/digest.ts';
import type { Digest } from '../../support/digest.ts';
import { isJsonObject, jsonText } from '../../support/json.ts';
import type { Json, JsonObject } from '../../support/json.ts';
import { readRegularFile } from '../../support/regular-file.ts';
import { decodeSafetensors } from '../../support/safetensors.ts';
import { tensorBytes } from '../../support/tensor.ts';
import { JobError } from './job-error.ts';

export const MANIFEST = 'merged.json';
export const GRAPH = 'graph.onnx';

const FORMAT = 'headgate-merged';
const VERSION = 1;
/** What a protobuf can hold, and Node reads at once. */
const MOST_BYTES = 2 ** 31 - 1;
const MOST_MANIFEST_BYTES = 64 << 20;
/** Nothing outside of the folder can be named. */
const scopeFile = /^[A-Za-z][A-Za-z0-9_-]*\.safetensors$/;

export interface MergedFiles {
  /** Of merged.json itself: it stands for all of the model. */
  readonly digest: Digest;
  /** The manifest's own text among them. */
  readonly bytes: ReadonlyMap<string, Uint8Array>;
}

export function scopeFileOf(scope: string): string {
  return `${scope}.safetensors`;
}

/** @param files without the manifest. */
export function manifestOf(files: ReadonlyMap<string, Uint8Array>): JsonObject {
  const tensors: { [file: string]: JsonObject } = {};
  for (const [file, bytes] of files) if (file !== GRAPH) tensors[file] = tensorDigests(bytes);
  const digests = [...files].map(([file, bytes]) => [file, digestBytes(bytes)]);
  return { format: FORMAT, version: VERSION, files: Object.fromEntries(digests) as JsonObject, tensors };
}

/** @throws JobError 'merged-model' naming the file, and in a scope's file the tensor, that is not what the manifest says. */
export async function readMergedFiles(folder: string): Promise<MergedFiles> {
  const text = await readBounded(folder, MANIFEST, MOST_MANIFEST_BYTES);
  const { files, tensors } = parseManifest(text);
  const bytes = new Map<string, Uint8Array>([[MANIFEST, text]]);
  for (const [file, digest] of Object.entries(files)) {
    if (file !== GRAPH && !scopeFile.test(file)) throw refused(`${MANIFEST} names the file "${file}"`);
    const found = await readBounded(folder, file, MOST_BYTES);
    if (digestBytes(found) !== digest) throw damaged(file, found, tensors[file]);
    bytes.set(file, found);
  }
  if (!bytes.has(GRAPH)) throw refused(`${MANIFEST} names no ${GRAPH}`);
  return { digest: digestBytes(text), bytes };
}

/** @throws JobError 'merged-model' */
export function fileIn({ bytes }: MergedFiles, file: string): Uint8Array {
  const found = bytes.get(file);
  if (found === undefined) throw refused(`${MANIFEST} names no ${file}, which ${GRAPH} needs`);
  return found;
}

async function readBounded(folder: string, file: string, most: number): Promise<Uint8Array> {
  const read = await readRegularFile(join(folder, file), most).catch((cause: unknown) => {
    throw refused(`${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  });
  if (!(read instanceof Uint8Array)) throw refused(`${file} has ${read.size} bytes; at most ${most} are read`);
  return read;
}

function parseManifest(text: Uint8Array): { readonly files: JsonObject; readonly tensors: JsonObject } {
  let json: Json;
  try {
    json = JSON.parse(Buffer.from(text).toString('utf8')) as Json;
  } catch {
    throw refused(`${MANIFEST} is no JSON`);
  }
  const { format, version, files, tensors } = isJsonObject(json) ? json : {};
  if (format !== FORMAT || version !== VERSION)
    throw refused(
      `${MANIFEST} is not of format ${FORMAT}, version ${VERSION} (${jsonText(format)}, ${jsonText(version)})`,
    );
  const digests = isJsonObject(files) ? Object.values(files) : [];
  if (
    !isJsonObject(files) ||
    !isJsonObject(tensors) ||
    !digests.every((digest) => typeof digest === 'string' && isDigest(digest))
  )
    throw refused(`${MANIFEST} lacks the digests of files or tensors`);
  return { files, tensors };
}

function damaged(file: string, bytes: Uint8Array, expected: Json | undefined): JobError {
  const what = file === GRAPH ? undefined : changedTensor(bytes, isJsonObject(expected) ? expected : {});
  return refused(`${file} is not what was released${what === undefined ? '' : `: ${what}`}`);
}

function changedTensor(bytes: Uint8Array, expected: JsonObject): string {
  const decoded = decodeSafetensors(bytes);
  if (!decoded.ok) return `it ${decoded.error}`;
  const found = tensorDigests(bytes);
  const names = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  const differing = names.filter((name) => found[name] !== expected[name]);
  const [first] = differing;
  if (first === undefined) return 'its tensors are the released ones, its metadata or layout is not';
  const how = found[first] === undefined ? 'is missing' : expected[first] === undefined ? 'is new' : 'has other values';
  return `tensor "${first}" ${how}${differing.length > 1 ? ` (and ${differing.length - 1} more differ)` : ''}`;
}

/** Over type, shape and values. */
function tensorDigests(bytes: Uint8Array): { readonly [name: string]: string } {
  const decoded = decodeSafetensors(bytes);
  if (!decoded.ok) throw new Error(`a checkpoint that was just written ${decoded.error}`);
  const rows = [...decoded.value.tensors].map(([name, tensor]) => {
    const form = `${tensor.dtype}[${tensor.shape.join()}]`;
    return [name, digestBytes(Buffer.concat([Buffer.from(form), tensorBytes(tensor)]))];
  });
  return Object.fromEntries(rows) as { [name: string]: string };
}

function refused(message: string): JobError {
  return new JobError({
    reason: 'merged-model',
    message: `the merged model is refused: ${message}`,
    remedy: 'Take the folder from where it was released again, whole; `merge` writes it with its merged.json.',
  });
}
