// Writes small PNG files for tests, so that no picture has to be committed. Each line uses another filter in turn.
import { crc32, deflateSync } from 'node:zlib';

const colourTypes = { grey: [0, 1], rgb: [2, 3], palette: [3, 1] } as const;

export function pngOf(
  width: number,
  height: number,
  colour: 'grey' | 'rgb' | 'palette',
  pixel: (x: number, y: number) => readonly number[],
): Uint8Array {
  const [type, channels] = colourTypes[colour];
  const line = width * channels;
  const raw = new Uint8Array(line * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) raw.set(pixel(x, y), y * line + x * channels);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, type], 8);
  const palette = Buffer.from(Array.from({ length: 256 * 3 }, (_, index) => 255 - Math.floor(index / 3)));
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    ...(colour === 'palette' ? [chunk('PLTE', palette)] : []),
    chunk('IDAT', deflateSync(filtered(raw, height, line, channels))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function filtered(raw: Uint8Array, height: number, line: number, step: number): Uint8Array {
  const result = new Uint8Array(height * (line + 1));
  for (let y = 0; y < height; y++) {
    const filter = y % 5;
    result[y * (line + 1)] = filter;
    for (let x = 0; x < line; x++) {
      const left = x >= step ? (raw[y * line + x - step] as number) : 0;
      const up = y > 0 ? (raw[(y - 1) * line + x] as number) : 0;
      const corner = x >= step && y > 0 ? (raw[(y - 1) * line + x - step] as number) : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] as number;
      result[y * (line + 1) + 1 + x] = (raw[y * line + x] as number) - guess;
    }
  }
  return result;
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const distances = [left, up, corner].map((value) => Math.abs(guess - value)) as [number, number, number];
  return [left, up, corner][distances.indexOf(Math.min(...distances))] as number;
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const result = Buffer.alloc(12 + body.length);
  result.writeUInt32BE(body.length, 0);
  result.write(type, 4, 'latin1');
  result.set(body, 8);
  result.writeUInt32BE(crc32(result.subarray(4, 8 + body.length)), 8 + body.length);
  return result;
}
