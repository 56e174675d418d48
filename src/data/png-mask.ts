// PNG masks as class ids: the stored grey value or palette index of each pixel, untouched by any colour conversion (a
// general image library would turn palette indices into colours). Grey and palette, 1 to 8 bits, not interlaced.
// Format: https://www.w3.org/TR/png-3/
import { inflateSync } from 'node:zlib';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';

export interface IndexImage {
  readonly width: number;
  readonly height: number;
  /** [H, W] */
  readonly values: Uint8Array;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const mostPixels = 100_000_000;
const colourTypes = { grey: 0, palette: 3 } as const;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
}

/** An error is a phrase that continues the file's name. */
export function decodePngMask(bytes: Uint8Array): Result<IndexImage, string> {
  if (signature.some((byte, index) => bytes[index] !== byte)) return err('is not a PNG file');
  const chunks = readChunks(bytes);
  if (!chunks.ok) return chunks;
  const header = readHeader(chunks.value.header);
  if (!header.ok) return header;
  const { width, height, depth } = header.value;
  const line = Math.ceil((width * depth) / 8);
  const inflated = inflate(chunks.value.data, height * (line + 1));
  if (!inflated.ok) return inflated;
  const unfiltered = unfilter(inflated.value, height, line);
  return unfiltered.ok ? ok({ width, height, values: unpack(unfiltered.value, header.value, line) }) : unfiltered;
}

function readChunks(bytes: Uint8Array): Result<{ header: Uint8Array; data: Uint8Array }, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Uint8Array | undefined;
  const data: Uint8Array[] = [];
  for (let at = signature.length; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const type = Buffer.from(bytes.buffer, bytes.byteOffset + at + 4, 4).toString('latin1');
    if (at + 12 + length > bytes.length) break;
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (type === 'IHDR') header = body;
    if (type === 'IDAT') data.push(body);
    if (type === 'IEND')
      return header === undefined ? err('has no PNG header') : ok({ header, data: Buffer.concat(data) });
    at += 12 + length;
  }
  return err('ends before its last PNG chunk');
}

function readHeader(body: Uint8Array): Result<Header, string> {
  if (body.length !== 13) return err('has a damaged PNG header');
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour, interlace] = [view.getUint8(8), view.getUint8(9), view.getUint8(12)];
  if (colour !== colourTypes.grey && colour !== colourTypes.palette) {
    return err('holds colours, not class ids (a mask must be a grey or palette PNG)');
  }
  if (![1, 2, 4, 8].includes(depth)) return err(`has ${depth} bits per pixel; masks of up to 8 are read`);
  if (interlace !== 0) return err('is interlaced; save the mask without');
  if (width === 0 || height === 0 || width * height > mostPixels)
    return err(`is ${width}×${height} pixels, which is not read`);
  return ok({ width, height, depth });
}

function inflate(data: Uint8Array, needed: number): Result<Uint8Array, string> {
  try {
    const inflated = inflateSync(data, { maxOutputLength: needed });
    return inflated.length === needed
      ? ok(inflated)
      : err(`holds ${inflated.length} bytes of pixels; ${needed} are needed`);
  } catch (cause) {
    return err(`has damaged pixels: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/** Undoes the five line filters; the pixel to the left is always one byte away, as depths go to 8. */
function unfilter(bytes: Uint8Array, height: number, line: number): Result<Uint8Array, string> {
  const result = new Uint8Array(height * line);
  for (let y = 0; y < height; y++) {
    const filter = bytes[y * (line + 1)] as number;
    if (filter > 4) return err(`has the unknown line filter ${filter}`);
    for (let x = 0; x < line; x++) {
      const at = y * line + x;
      const left = x > 0 ? (result[at - 1] as number) : 0;
      const up = y > 0 ? (result[at - line] as number) : 0;
      const corner = x > 0 && y > 0 ? (result[at - line - 1] as number) : 0;
      result[at] = (bytes[y * (line + 1) + 1 + x] as number) + predicted(filter, left, up, corner);
    }
  }
  return ok(result);
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4: {
      const [toLeft, toUp, toCorner] = [
        Math.abs(up - corner),
        Math.abs(left - corner),
        Math.abs(left + up - 2 * corner),
      ];
      return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
    }
    default:
      return 0;
  }
}

function unpack(lines: Uint8Array, { width, height, depth }: Header, line: number): Uint8Array {
  if (depth === 8) return lines;
  const values = new Uint8Array(width * height);
  const largest = (1 << depth) - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      values[y * width + x] = ((lines[y * line + (bit >> 3)] as number) >> (8 - depth - (bit & 7))) & largest;
    }
  }
  return values;
}
