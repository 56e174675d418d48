import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { openPackedDataset, writePackedDataset } from '../../src/data/packed-dataset.ts';
import { encodeNpy } from '../../src/support/npy.ts';
import { smallDataset, temporaryFolder } from './tiny-data.ts';

let root: string;
let next = 0;
beforeAll(async () => {
  root = await temporaryFolder();
});

async function written(dataset: Dataset = smallDataset()): Promise<string> {
  const folder = join(root, String(next++));
  await writePackedDataset(folder, dataset);
  return folder;
}

async function edited(change: (description: { [key: string]: unknown }) => void): Promise<string> {
  const folder = await written();
  const path = join(folder, 'dataset.json');
  const description = JSON.parse(await readFile(path, 'utf8')) as { [key: string]: unknown };
  change(description);
  await writeFile(path, JSON.stringify(description));
  return folder;
}

describe('a packed data set', () => {
  it('opens as it was written', async () => {
    expect(await openPackedDataset(await written())).toEqual(smallDataset());
  });

  it('is written to equal bytes every time', async () => {
    const [left, right] = [await written(), await written()];
    expect(await readdir(left)).toEqual(await readdir(right));
    for (const file of await readdir(left)) {
      expect(Buffer.compare(await readFile(join(left, file)), await readFile(join(right, file)))).toBe(0);
    }
  });

  it('is refused when a file is missing, damaged or of another shape, naming the file', async () => {
    const folder = await written();
    await writeFile(
      join(folder, 'mask.npy'),
      encodeNpy({ dtype: 'uint8', shape: [2, 4, 5], data: new Uint8Array(40) }),
    );
    await expect(openPackedDataset(folder)).rejects.toThrow(
      'mask.npy holds uint8 [2, 4, 5]; uint8 [2, 4, 6] is needed',
    );
    await writeFile(join(folder, 'mask.npy'), 'nothing of the kind');
    await expect(openPackedDataset(folder)).rejects.toThrow('mask.npy is not an NPY file');
    await expect(openPackedDataset(join(root, 'nowhere'))).rejects.toThrow('has no dataset.json');
  });

  it('is refused when it is of another format or version', async () => {
    await expect(openPackedDataset(await edited((d) => (d['format'] = 'other')))).rejects.toThrow(
      'dataset.json: format',
    );
    await expect(openPackedDataset(await edited((d) => (d['version'] = 2)))).rejects.toThrow('dataset.json: version');
  });

  it('never reads outside its folder, neither by a path nor by a link', async () => {
    const outside = join(root, 'outside.npy');
    await writeFile(outside, encodeNpy({ dtype: 'int32', shape: [2], data: Int32Array.of(0, 0) }));
    await expect(openPackedDataset(await edited((d) => (d['groups'] = '../outside.npy')))).rejects.toThrow('outside');
    await expect(openPackedDataset(await edited((d) => (d['groups'] = outside)))).rejects.toThrow('outside');
    const linked = await edited((d) => (d['groups'] = 'linked.npy'));
    await symlink(outside, join(linked, 'linked.npy'));
    await expect(openPackedDataset(linked)).rejects.toThrow('a link that leads outside');
  });

  const broken: readonly [string, (dataset: Dataset) => Dataset, string][] = [
    ['no images', (d) => ({ ...d, count: 0, images: new Uint8Array(0) }), 'holds no images'],
    ['a std of zero', (d) => ({ ...d, normalisation: { ...d.normalisation, std: [1, 0] } }), 'greater than 0'],
    ['too few means', (d) => ({ ...d, normalisation: { ...d.normalisation, mean: [0] } }), 'each of 2 channels'],
    ['too few groups', (d) => ({ ...d, groups: Int32Array.of(1) }), '1 groups for 2 images'],
    ['a box of an unknown class', (d) => withBoxes(d, [0, 7, 0, 0, 1, 1]), 'there is no class 7'],
    ['a box without area', (d) => withBoxes(d, [0, 0, 2, 0, 2, 1]), 'is not a box'],
    ['a box that is not a number', (d) => withBoxes(d, [0, 0, Number.NaN, 0, 2, 1]), 'is not a box'],
    ['a box outside its image', (d) => withBoxes(d, [0, 0, 6, 0, 8, 1]), 'lies outside the 6×4 image'],
    ['boxes out of order', (d) => withBoxes(d, [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1]), 'sorted by image'],
    ['a pixel of an unknown class', (d) => withMask(d, 3), 'image 1 has a pixel of value 3'],
    ['a label out of range', (d) => withLabel(d, -1), 'image 1 has class -1'],
  ];

  it.each(broken)('is refused with %s', async (_what, change, words) => {
    await mkdir(root, { recursive: true });
    await expect(written(change(smallDataset()))).rejects.toThrow(words);
  });
});

function withBoxes(dataset: Dataset, rows: readonly number[]): Dataset {
  const target = {
    kind: 'boxes' as const,
    classes: ['a', 'b'],
    rows: Float32Array.from(rows),
    firstRow: new Uint32Array(3),
  };
  return { ...dataset, targets: new Map([['boxes', target]]) };
}

function withMask(dataset: Dataset, value: number): Dataset {
  const values = new Uint8Array(48);
  values[30] = value;
  return { ...dataset, targets: new Map([['mask', { kind: 'mask', classes: ['x', 'y', 'z'], ignore: 255, values }]]) };
}

function withLabel(dataset: Dataset, value: number): Dataset {
  const target = { kind: 'class' as const, classes: ['p', 'q'], values: Int32Array.of(0, value) };
  return { ...dataset, targets: new Map([['label', target]]) };
}
