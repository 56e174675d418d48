// Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; MIT licence): found in a folder or fetched, and verified by SHA-256.
// Where the bytes come from is fashion-mnist-sources.ts; only contents that match the digests below are ever used.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes } from '../support/digest.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { DataError } from './data-error.ts';
import { fashionMnistSources } from './fashion-mnist-sources.ts';
import type { SourceOptions } from './fashion-mnist-sources.ts';
import { decodeIdx, maybeGunzip } from './idx.ts';

export interface Items {
  readonly count: number;
  /** [count, 28, 28] */
  readonly images: Uint8Array;
  /** [count], 0 … 9 */
  readonly labels: Uint8Array;
}

export interface FashionMnist {
  readonly train: Items;
  readonly test: Items;
  /** Where it was found, and which ways failed before. */
  readonly source: string;
  readonly failedWays: readonly string[];
}

export const itemSide = 28;

export const fashionClasses = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
] as const;

/** Of the uncompressed contents: the same whoever compressed them. */
const files = {
  'train-images-idx3-ubyte': {
    digest: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    bytes: 47_040_016,
  },
  'train-labels-idx1-ubyte': {
    digest: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    bytes: 60_008,
  },
  't10k-images-idx3-ubyte': {
    digest: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    bytes: 7_840_016,
  },
  't10k-labels-idx1-ubyte': {
    digest: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
    bytes: 10_008,
  },
} as const;

type FileName = keyof typeof files;
const fashionMnistFiles = Object.keys(files) as FileName[];

/**
 * Tries every source in order: the given folder, the system's, the cache, Debian's package, the public home.
 * @throws DataError that lists all that was tried, and the remedy.
 */
export async function loadFashionMnist(options: SourceOptions): Promise<FashionMnist> {
  const failed: string[] = [];
  for (const source of fashionMnistSources(fashionMnistFiles, options)) {
    const folder = await source
      .folder()
      .catch((cause: unknown) => err(cause instanceof Error ? cause.message : String(cause)));
    const contents = folder.ok ? await readVerified(folder.value) : folder;
    if (!contents.ok) {
      failed.push(`${source.name}: ${contents.error}`);
      continue;
    }
    const read = contents.value;
    return {
      train: items(read['train-images-idx3-ubyte'], read['train-labels-idx1-ubyte']),
      test: items(read['t10k-images-idx3-ubyte'], read['t10k-labels-idx1-ubyte']),
      source: source.name,
      failedWays: failed,
    };
  }
  throw new DataError(
    `Fashion-MNIST was not found. Tried:\n${failed.map((way) => `  - ${way}`).join('\n')}`,
    `Put ${fashionMnistFiles.map((name) => `${name}.gz`).join(', ')} (https://github.com/zalandoresearch/fashion-mnist) ` +
      'into a folder and name it as the dataset stage\'s "folder", or install Debian\'s dataset-fashion-mnist.',
  );
}

/** All four files of a folder, uncompressed; the first that is missing or has another digest is named. */
async function readVerified(folder: string): Promise<Result<{ readonly [name in FileName]: Uint8Array }, string>> {
  const contents: Partial<{ [name in FileName]: Uint8Array }> = {};
  for (const name of fashionMnistFiles) {
    const bytes = await readEither(folder, name);
    if (bytes === undefined) return err(`${folder} has no ${name}(.gz)`);
    const plain = maybeGunzip(bytes, files[name].bytes);
    if (!plain.ok) return err(`${name} ${plain.error}`);
    const digest = digestBytes(plain.value);
    if (digest !== files[name].digest) return err(`${name} has SHA-256 ${digest}, not ${files[name].digest}`);
    contents[name] = plain.value;
  }
  return ok(contents as { readonly [name in FileName]: Uint8Array });
}

async function readEither(folder: string, name: string): Promise<Uint8Array | undefined> {
  const missing = (): undefined => undefined;
  return (
    (await readFile(join(folder, `${name}.gz`)).catch(missing)) ?? (await readFile(join(folder, name)).catch(missing))
  );
}

function items(images: Uint8Array, labels: Uint8Array): Items {
  const [read, classes] = [decodeIdx(images), decodeIdx(labels)];
  // The digests were right, so this cannot happen.
  if (!read.ok || !classes.ok) throw new Error('verified IDX files could not be decoded');
  return { count: classes.value.data.length, images: read.value.data, labels: classes.value.data };
}
