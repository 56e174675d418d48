import { mkdtemp, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFile, writeFileAtomic } from '../../src/support/atomic-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-atomic-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const writers = [
  ['writeFileAtomic', writeFileAtomic],
  ['replaceFile', replaceFile],
] as const;

describe.each(writers)('%s', (_name, write) => {
  it('creates and replaces a file and leaves no draft', async () => {
    const path = join(folder, 'a.json');
    await write(path, 'one');
    await write(path, Buffer.from('zwei, größer'));
    expect(await readFile(path, 'utf8')).toBe('zwei, größer');
    expect(await readdir(folder)).toEqual(['a.json']);
  });

  it('makes the folders on the way', async () => {
    await write(join(folder, 'new', 'deeper', 'a.json'), 'one');
    expect(await readdir(join(folder, 'new', 'deeper'))).toEqual(['a.json']);
  });

  it('keeps a folder that is in the way beside the new file, whole, and leaves no draft', async () => {
    const path = join(folder, 'taken');
    await mkdir(join(path, 'inside'), { recursive: true });
    await write(path, 'x');
    expect(await readFile(path, 'utf8')).toBe('x');
    const [aside = '', ...others] = (await readdir(folder)).filter((name) => name !== 'taken');
    expect([aside, others]).toEqual([expect.stringMatching(/^taken\.aside-[0-9a-f]{8}$/), []]);
    expect(await readdir(join(folder, aside))).toEqual(['inside']);
  });

  it('fails without a trace where no folder can be made', async () => {
    await write(join(folder, 'file'), 'old');
    await expect(write(join(folder, 'file', 'below'), 'x')).rejects.toThrow(/EEXIST|ENOTDIR/);
    expect(await readdir(folder)).toEqual(['file']);
    expect(await readFile(join(folder, 'file'), 'utf8')).toBe('old');
  });

  it('lets concurrent writers of one file all finish, and one of them win whole', async () => {
    const path = join(folder, 'raced');
    const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(10_000));
    await Promise.all(contents.map((content) => write(path, content)));
    expect(contents).toContain(await readFile(path, 'utf8'));
    expect(await readdir(folder)).toEqual(['raced']);
  });
});
