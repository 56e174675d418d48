// Digests of files against those of their bytes at once, whatever the size: they are read in parts and ahead.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { digestFile } from '../../src/support/digest.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-digest-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HALF_MIB = 1 << 19;
const sizes = [
  0,
  1,
  1 << 16,
  (1 << 16) + 1,
  ...[1, 2, 3, 4, 9].flatMap((n) => [-1, 0, 1].map((more) => n * HALF_MIB + more)),
];

/** Bytes that no two places of a file share. */
function contentOf(size: number): Buffer {
  const content = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) content.writeUInt32LE(at ^ size, at);
  return content;
}

const written = sizes.map((size) => {
  const path = join(folder, String(size));
  const content = contentOf(size);
  writeFileSync(path, content);
  return { size, path, digest: createHash('sha256').update(content).digest('hex') };
});

test.each(written)('of $size bytes', async ({ path, digest }) => {
  expect(await digestFile(path)).toBe(digest);
});

test('of many files at once', async () => {
  const twice = [...written, ...written];
  expect(await Promise.all(twice.map(({ path }) => digestFile(path)))).toEqual(twice.map(({ digest }) => digest));
});

test('fails for a folder, and the next file is read as ever', async () => {
  await expect(digestFile(folder)).rejects.toThrow('EISDIR');
  for (const { path, digest } of written.slice(-2)) expect(await digestFile(path)).toBe(digest);
});
