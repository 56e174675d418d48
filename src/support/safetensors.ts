// Safetensors files ↔ named tensors. Writing is deterministic (tensors and metadata sorted by name); reading trusts nothing:
// header length, offsets, overlaps, holes, and dtype against shape are checked before a value is touched.
// Format: https://github.com/huggingface/safetensors#format
import { byCodeUnit } from './canonical-json.ts';
import { isJsonObject } from './json.ts';
import type { Json } from './json.ts';
import { err, ok } from './result.ts';
import type { Result } from './result.ts';
import { arrayOf, elementCount, tensorBytes, viewValues } from './tensor.ts';
import type { DType, Tensor } from './tensor.ts';

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: { readonly [name: string]: string };
}

/** The limit of the reference implementation. */
const maxHeaderBytes = 100_000_000;
const metadataKey = '__metadata__';
const forbiddenNames: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const codes: { readonly [type in DType]: string } = {
  float32: 'F32',
  float64: 'F64',
  int8: 'I8',
  uint8: 'U8',
  int16: 'I16',
  uint16: 'U16',
  int32: 'I32',
  int64: 'I64',
};

/**
 * Equal content gives equal bytes. Tensors are laid out by element width (widest first), then by name, as the reference
 * implementation does, so that every tensor is aligned to its own element size.
 */
export function encodeSafetensors(file: SafetensorsFile): Uint8Array {
  const order = [...file.tensors.keys()].sort(
    (left, right) => widthOf(file, right) - widthOf(file, left) || byCodeUnit(left, right),
  );
  const members: string[] = [];
  const metadataNames = Object.keys(file.metadata).sort(byCodeUnit);
  if (metadataNames.length > 0) {
    const entries = metadataNames.map((name) => `${JSON.stringify(name)}:${JSON.stringify(file.metadata[name])}`);
    members.push(`"${metadataKey}":{${entries.join(',')}}`);
  }
  let offset = 0;
  for (const name of order) {
    const tensor = tensorOf(file, name);
    if (name === metadataKey || forbiddenNames.has(name)) throw new Error(`"${name}" cannot name a tensor`);
    if (tensor.data.length !== elementCount(tensor.shape)) throw new Error(`tensor "${name}" does not fill its shape`);
    const end = offset + tensor.data.byteLength;
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${codes[tensor.dtype]}","shape":[${tensor.shape.join(',')}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const json = Buffer.from(`{${members.join(',')}}`, 'utf8');
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + offset).fill(0x20, 8, 8 + headerLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.set(json, 8);
  let position = 8 + headerLength;
  for (const name of order) {
    const values = tensorBytes(tensorOf(file, name));
    bytes.set(values, position);
    position += values.length;
  }
  return bytes;
}

/** Tensors come sorted by name and share the given bytes where alignment allows. An error is one sentence without the file's name. */
export function decodeSafetensors(bytes: Uint8Array): Result<SafetensorsFile, string> {
  if (bytes.length < 8) return err('is too short for a safetensors file');
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > maxHeaderBytes) return err(`is not a safetensors file (it announces a header of ${length} bytes)`);
  if (8 + length > bytes.length) return err('ends inside its header');
  const header = parseHeader(bytes.subarray(8, 8 + length));
  if (!header.ok) return header;
  const values = bytes.subarray(8 + length);
  const regions: { readonly name: string; readonly begin: number; readonly end: number }[] = [];
  const tensors = new Map<string, Tensor>();
  for (const name of [...header.value.keys()].filter((key) => key !== metadataKey).sort(byCodeUnit)) {
    const entry = readEntry(name, header.value.get(name) as Json, values.length);
    if (!entry.ok) return entry;
    const { dtype, shape, begin, end } = entry.value;
    regions.push({ name, begin, end });
    tensors.set(name, { dtype, shape, data: viewValues(dtype, values.subarray(begin, end)) });
  }
  const gap = findGap(regions, values.length);
  if (gap !== undefined) return err(gap);
  const metadata = readMetadata(header.value.get(metadataKey));
  return metadata.ok ? ok({ tensors, metadata: metadata.value }) : metadata;
}

interface Entry {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function parseHeader(bytes: Uint8Array): Result<ReadonlyMap<string, Json>, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return err('has a header that is not JSON');
  }
  if (!isJsonObject(parsed)) return err('has a header that is not a JSON object');
  // JSON.parse makes `__proto__` an own property, so it is seen here and refused.
  const bad = Object.keys(parsed).find((name) => forbiddenNames.has(name));
  return bad === undefined ? ok(new Map(Object.entries(parsed))) : err(`names a tensor "${bad}"`);
}

function readEntry(name: string, entry: Json, available: number): Result<Entry, string> {
  if (!isJsonObject(entry)) return err(`describes tensor "${name}" by something that is not an object`);
  const dtype = (Object.keys(codes) as DType[]).find((key) => codes[key] === entry['dtype']);
  if (dtype === undefined)
    return err(`holds tensor "${name}" of element type ${JSON.stringify(entry['dtype'])}, which is not read`);
  const shape = sizes(entry['shape']);
  if (shape === undefined) return err(`gives tensor "${name}" an unreadable shape`);
  const [begin, end, ...rest] = sizes(entry['data_offsets']) ?? [];
  if (begin === undefined || end === undefined || rest.length > 0 || begin > end || end > available) {
    return err(`places tensor "${name}" outside the file`);
  }
  const needed = elementCount(shape) * arrayOf[dtype].BYTES_PER_ELEMENT;
  if (end - begin !== needed) {
    return err(`gives tensor "${name}" ${end - begin} bytes, but [${shape.join(', ')}] of ${dtype} needs ${needed}`);
  }
  return ok({ dtype, shape, begin, end });
}

function sizes(value: Json | undefined): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = value as readonly Json[];
  const valid = items.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0);
  return valid ? (items as readonly number[]) : undefined;
}

/** Tensors must cover the values exactly once: overlaps could hide data, holes could carry it. */
function findGap(regions: readonly { name: string; begin: number; end: number }[], length: number): string | undefined {
  let position = 0;
  for (const { name, begin, end } of [...regions].sort(
    (left, right) => left.begin - right.begin || left.end - right.end,
  )) {
    if (begin < position) return `holds tensor "${name}" overlapping another`;
    if (begin > position) return `has ${begin - position} unused bytes before tensor "${name}"`;
    position = end;
  }
  return position === length ? undefined : `has ${length - position} unused bytes at its end`;
}

function readMetadata(value: Json | undefined): Result<{ [name: string]: string }, string> {
  if (value === undefined) return ok({});
  if (!isJsonObject(value)) return err('has metadata that is not an object of strings');
  const metadata: { [name: string]: string } = {};
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string' || forbiddenNames.has(name))
      return err('has metadata that is not an object of strings');
    metadata[name] = text;
  }
  return ok(metadata);
}

function tensorOf(file: SafetensorsFile, name: string): Tensor {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new Error(`no tensor "${name}"`);
  return tensor;
}

function widthOf(file: SafetensorsFile, name: string): number {
  return arrayOf[tensorOf(file, name).dtype].BYTES_PER_ELEMENT;
}
