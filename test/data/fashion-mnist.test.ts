import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/data/data-error.ts';
import { loadFashionMnist } from '../../src/data/fashion-mnist.ts';
import { temporaryFolder } from './tiny-data.ts';

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});

/** Without downloads and with an empty cache, only folders of this machine are left. */
async function load(folder: string): Promise<unknown> {
  return loadFashionMnist({ folder, cacheFolder: join(root, 'cache'), download: false }).catch(
    (cause: unknown) => cause,
  );
}

describe('Fashion-MNIST', () => {
  it('lists every way that was tried, with its reason and the remedy, when none works', async () => {
    const found = await load(join(root, 'nowhere'));
    // A machine with Debian's package finds the system folder instead, which is just as right.
    if (!(found instanceof DataError)) return expect(found).toMatchObject({ source: 'the system folder' });
    expect(found.message).toMatch(/the given folder: .*nowhere is not a folder/);
    expect(found.message).toMatch(/the system folder: .* is not a folder/);
    expect(found.message).toMatch(/the cache: .* is not a folder/);
    expect(found.remedy).toContain('train-images-idx3-ubyte.gz');
  });

  it('never uses a file with another digest, and says so', async () => {
    const folder = join(root, 'forged');
    await mkdir(folder);
    await writeFile(join(folder, 'train-images-idx3-ubyte.gz'), gzipSync(Buffer.from('not the images')));
    const found = await load(folder);
    const words =
      found instanceof DataError ? found.message : JSON.stringify((found as { failedWays: string[] }).failedWays);
    expect(words).toMatch(/train-images-idx3-ubyte has SHA-256 [0-9a-f]{64}, not c59f468a/);
  });
});
