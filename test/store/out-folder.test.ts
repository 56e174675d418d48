// What people find in out/ changes in one step, whatever lies there, and no link is followed on the way.
import { mkdir, mkdtemp, readFile, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeLayout, type StoreLayout } from '../../src/store/layout.ts';
import { openOutFolder, repairOut, replaceInOut } from '../../src/store/out-folder.ts';

let root: string;
let layout: StoreLayout;
let target: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-'));
  layout = storeLayout(root);
  target = join((await openOutFolder(layout, 'w')).folder, 'set');
  await mkdir(layout.drafts, { recursive: true });
});

afterEach(() => rm(root, { recursive: true, force: true }));

async function folderOf(path: string, ...names: readonly string[]): Promise<string> {
  await mkdir(path, { recursive: true });
  for (const name of names) await writeFile(join(path, name), name);
  return path;
}

async function fileOf(path: string, text: string): Promise<string> {
  await writeFile(path, text);
  return path;
}

const draft = (): string => join(layout.drafts, 'draft');

describe('replacing what lies at a name', () => {
  it('leaves nothing of a folder that was there', async () => {
    await folderOf(target, 'old', 'both');
    await replaceInOut(layout, await folderOf(draft(), 'both', 'new'), target);
    expect((await readdir(target)).sort()).toEqual(['both', 'new']);
    expect(await readdir(join(layout.aside, 'w'))).toEqual([]);
  });

  it('puts a folder where a file was, and a file where a folder was', async () => {
    await fileOf(target, 'a file');
    await replaceInOut(layout, await folderOf(draft(), 'inside'), target);
    expect(await readdir(target)).toEqual(['inside']);
    await replaceInOut(layout, await fileOf(draft(), 'a file again'), target);
    expect(await readFile(target, 'utf8')).toBe('a file again');
  });

  it.each(['file', 'folder'])('puts a %s in the place of a link and leaves what the link led to', async (what) => {
    const elsewhere = await folderOf(join(root, 'elsewhere'), 'theirs');
    await symlink(elsewhere, target);
    await replaceInOut(layout, what === 'file' ? await fileOf(draft(), 'own') : await folderOf(draft(), 'own'), target);
    await expect(readlink(target)).rejects.toThrow('EINVAL');
    expect(await readdir(elsewhere)).toEqual(['theirs']);
  });

  it('keeps a link that stands for a whole folder of out/, under another name', async () => {
    const elsewhere = await folderOf(join(root, 'elsewhere'), 'theirs');
    await symlink(elsewhere, join(layout.out, 'linked'));
    const { folder, kept } = await openOutFolder(layout, 'linked');
    expect(await readdir(folder)).toEqual([]);
    expect(kept.map(({ path }) => path)).toEqual([folder]);
    expect(await readlink(kept[0]?.as ?? '')).toBe(elsewhere);
  });
});

describe('after a crash between the two steps', () => {
  it('brings back what had stepped aside', async () => {
    await folderOf(join(layout.aside, 'w', 'set'), 'old');
    await repairOut(layout);
    expect(await readdir(target)).toEqual(['old']);
    expect(await readdir(layout.aside)).toEqual([]);
  });

  it('removes what had stepped aside where its successor is in place', async () => {
    await folderOf(join(layout.aside, 'w', 'set'), 'old');
    await folderOf(target, 'new');
    await repairOut(layout);
    expect(await readdir(target)).toEqual(['new']);
    expect(await readdir(layout.aside)).toEqual([]);
  });
});
