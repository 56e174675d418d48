import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { boxRow } from '../../src/data/dataset.ts';
import { openDescribedDataset } from '../../src/data/described-dataset.ts';
import type { Opened } from '../../src/data/description.ts';
import { boxTarget, classTarget, maskTarget } from '../../src/data/targets.ts';
import { encodeNpy } from '../../src/support/npy.ts';
import { arraysDescription, streetDescription } from './descriptions.ts';
import { temporaryFolder } from './tiny-data.ts';
import { pngOf } from './tiny-png.ts';

const base = await temporaryFolder();
let folder: string;
let next = 0;
beforeEach(() => {
  folder = join(base, String(next++));
});

async function put(path: string, content: string | Uint8Array | object): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  const plain = typeof content === 'string' || content instanceof Uint8Array;
  await writeFile(join(folder, path), plain ? content : JSON.stringify(content));
}

const open = (kind: 'image-folder' | 'npy', split = 'train', limit?: number): Promise<Opened> =>
  openDescribedDataset({ kind, folder, description: 'dataset.json', split, ...(limit === undefined ? {} : { limit }) });

/** Red left half, blue right half. */
const twoColours = (width: number, height: number): Uint8Array =>
  pngOf(width, height, 'rgb', (x) => (x < width / 2 ? [255, 0, 0] : [0, 0, 255]));

describe('an image folder', () => {
  const description = streetDescription;
  const coco = {
    images: [
      { id: 10, file_name: 'a.png' },
      { id: 11, file_name: 'b/c.png' },
    ],
    categories: [
      { id: 5, name: 'dog' },
      { id: 6, name: 'car' },
      { id: 7, name: 'cat' },
    ],
    annotations: [
      { image_id: 11, category_id: 6, bbox: [2, 1, 4, 2] },
      { image_id: 10, category_id: 5, bbox: [-1, 0, 3, 4] },
      { image_id: 10, category_id: 7, bbox: [0, 0, 1, 1] },
      { image_id: 10, category_id: 5, bbox: [0, 0, 1, 1], iscrowd: 1 },
    ],
  };

  beforeEach(async () => {
    await put('dataset.json', description);
    await put('images/a.png', twoColours(8, 4));
    await put('images/b/c.png', twoColours(8, 4));
    await put('images/notes.txt', 'not an image');
    await put(
      'masks/a_L.png',
      pngOf(8, 4, 'grey', (x) => [x < 4 ? 3 : 7]),
    );
    await put(
      'masks/b/c_L.png',
      pngOf(8, 4, 'palette', (_x, y) => [y < 2 ? 9 : 3]),
    );
    await put('boxes.json', coco);
    await put('weather.csv', 'file,class\na.png,sun\n"b/c.png",rain\n');
    await put('drives.csv', 'file,group\na.png,night\nb/c.png,day\n');
  });

  it('is read with images, masks, boxes, classes and groups in file order', async () => {
    const { dataset, notes } = await open('image-folder');
    expect([dataset.name, dataset.count, dataset.channels, dataset.height, dataset.width]).toEqual([
      'street/train',
      2,
      3,
      2,
      4,
    ]);
    expect([...maskTarget(dataset, 'ground').values]).toEqual([0, 0, 1, 1, 0, 0, 1, 1, 255, 255, 255, 255, 0, 0, 0, 0]);
    const { rows } = boxTarget(dataset, 'things');
    expect(boxRow(rows, 0)).toEqual([0, 1, 0, 0, 1, 2]);
    expect(boxRow(rows, 1)).toEqual([1, 0, 1, 0.5, 3, 1.5]);
    expect(rows.length).toBe(12);
    expect(notes).toEqual(['target "things": annotations left out: 1 crowd regions, 1 of other categories']);
    expect([...classTarget(dataset, 'weather').values]).toEqual([1, 0]);
    expect([...(dataset.groups ?? [])]).toEqual([0, 1]);
  });

  it('names the images whose boxes lie outside of them or reach out, with their counts', async () => {
    const annotations = [
      { image_id: 10, category_id: 5, bbox: [20, 0, 3, 4] },
      { image_id: 11, category_id: 5, bbox: [-9, 0, 3, 4] },
      { image_id: 11, category_id: 6, bbox: [2, 1, 40, 20] },
      { image_id: 11, category_id: 6, bbox: [2, 1, 6.5, 2] },
    ];
    await put('boxes.json', { ...coco, annotations });
    const { dataset, notes } = await open('image-folder');
    expect(notes).toEqual([
      'target "things": annotations left out: 2 outside their image (in a.png, b/c.png)',
      'target "things": 1 boxes reach out of their image and were cut at its edge (in b/c.png)',
    ]);
    expect(boxRow(boxTarget(dataset, 'things').rows, 0)).toEqual([1, 0, 1, 0.5, 4, 2]);
  });

  it('gives colours channels first', async () => {
    const { images } = (await open('image-folder')).dataset;
    expect([images[0], images[8], images[16]]).toEqual([255, 0, 0]);
    expect([images[3], images[11], images[19]]).toEqual([0, 0, 255]);
  });

  it('gives one channel when greyscale is asked for', async () => {
    await put('dataset.json', { ...description, image: { width: 4, height: 2, channels: 'grey' } });
    const { channels, images } = (await open('image-folder')).dataset;
    expect([channels, images.length]).toEqual([1, 16]);
  });

  it('takes the images of a list, in its order, and no more than the limit', async () => {
    const train = { ...description.splits.train, list: 'train.txt' };
    await put('dataset.json', { ...description, splits: { train } });
    await put('train.txt', 'b/c.png\na.png\n');
    expect([...classTarget((await open('image-folder')).dataset, 'weather').values]).toEqual([0, 1]);
    expect((await open('image-folder', 'train', 1)).dataset.count).toBe(1);
  });

  it('takes classes from sub-folders', async () => {
    await put('dataset.json', {
      ...description,
      targets: { weather: { kind: 'class', classes: ['rain', 'sun'] } },
      splits: { train: { images: 'sorted', targets: { weather: { subFolders: true } } } },
    });
    await put('sorted/sun/1.png', twoColours(2, 2));
    await put('sorted/rain/1.png', twoColours(2, 2));
    expect([...classTarget((await open('image-folder')).dataset, 'weather').values]).toEqual([0, 1]);
  });

  it.each([
    ['a damaged image', 'images/a.png', twoColours(8, 4).subarray(0, 40), 'a.png cannot be read as an image'],
    ['a text instead of an image', 'images/a.png', 'hello', 'a.png cannot be read as an image'],
    ['a mask of another size', 'masks/a_L.png', pngOf(4, 4, 'grey', () => [3]), 'a_L.png is 4×4, its image 8×4'],
    ['a mask value without a class', 'masks/a_L.png', pngOf(8, 4, 'grey', () => [4]), 'a_L.png has pixels of value 4'],
    ['a mask in colours', 'masks/a_L.png', twoColours(8, 4), 'a_L.png holds colours, not class ids'],
    ['a damaged mask', 'masks/a_L.png', pngOf(8, 4, 'grey', () => [3]).subarray(0, 60), 'a_L.png ends before'],
    ['a class that is not named', 'weather.csv', 'file,class\na.png,fog\nb/c.png,sun\n', 'a.png is of class "fog"'],
    ['an image without a class', 'weather.csv', 'file,class\na.png,sun\n', 'weather.csv has no class for b/c.png'],
    ['a list without header', 'weather.csv', 'a.png,sun\n', 'the first line must be "file,class"'],
    [
      'COCO that lacks an image',
      'boxes.json',
      { ...coco, images: coco.images.slice(1), annotations: [] },
      'does not list the image a.png',
    ],
    ['COCO that lacks a category', 'boxes.json', { ...coco, categories: [] }, 'boxes.json has no category "car"'],
    ['broken COCO', 'boxes.json', '{', 'boxes.json is not JSON'],
    [
      'COCO with a broken box',
      'boxes.json',
      { ...coco, annotations: [{ image_id: 10, category_id: 5, bbox: [1] }] },
      'annotations[0].bbox must be',
    ],
    [
      'an unknown key',
      'dataset.json',
      { ...description, image: { width: 4, hight: 2 } },
      'image has the unknown key "hight"',
    ],
    [
      'a folder outside',
      'dataset.json',
      { ...description, splits: { train: { images: '..' } } },
      'outside the data set',
    ],
  ])('is refused with %s, naming the file and the reason', async (_what, path, content, words) => {
    await put(path, content);
    await expect(open('image-folder')).rejects.toThrow(words);
  });

  it('is refused when the split is not described, naming those that are', async () => {
    await expect(open('image-folder', 'gate')).rejects.toMatchObject({ remedy: 'It has: train.' });
  });

  it('never follows a list out of its folder', async () => {
    const train = { ...description.splits.train, list: 'train.txt' };
    await put('dataset.json', { ...description, splits: { train } });
    await put('train.txt', '../../../a.png\n');
    await expect(open('image-folder')).rejects.toThrow('outside the data set');
  });
});

describe('NPY arrays', () => {
  const description = arraysDescription;

  beforeEach(async () => {
    await put('dataset.json', description);
    await put('x.npy', encodeNpy({ dtype: 'uint8', shape: [2, 1, 2, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }));
    await put('y.npy', encodeNpy({ dtype: 'int32', shape: [2], data: Int32Array.of(1, 0) }));
    await put('b.npy', encodeNpy({ dtype: 'float32', shape: [1, 6], data: Float32Array.of(1, 0, 0, 0, 2, 1) }));
  });

  it('are read channels first, with their targets', async () => {
    const { dataset } = await open('npy');
    expect([dataset.count, dataset.channels, dataset.height, dataset.width]).toEqual([2, 2, 1, 2]);
    expect([...dataset.images]).toEqual([1, 3, 2, 4, 5, 7, 6, 8]);
    expect(dataset.normalisation).toEqual({ scale: 1, mean: [1, 2], std: [3, 4] });
    expect([...classTarget(dataset, 'label').values]).toEqual([1, 0]);
  });

  it('are cut to the limit together with their targets', async () => {
    const { dataset } = await open('npy', 'train', 1);
    expect([dataset.count, dataset.images.length]).toEqual([1, 4]);
    expect(boxTarget(dataset, 'boxes').rows.length).toBe(0);
    expect([...boxTarget(dataset, 'boxes').firstRow]).toEqual([0, 0]);
    expect([...classTarget(dataset, 'label').values]).toEqual([1]);
  });

  it('are refused when an array has another type or shape, naming the file', async () => {
    await put('y.npy', encodeNpy({ dtype: 'int64', shape: [2], data: BigInt64Array.of(1n, 0n) }));
    await expect(open('npy')).rejects.toThrow('y.npy holds int64 [2]; int32 [2] is needed');
    await put('x.npy', encodeNpy({ dtype: 'float32', shape: [1], data: Float32Array.of(1) }));
    await expect(open('npy')).rejects.toThrow('x.npy holds float32 [1]; uint8 [*, *, *, *] is needed');
  });

  it('are refused when the stage calls them something else', async () => {
    await expect(open('image-folder')).rejects.toThrow('dataset.json: kind must be "image-folder", as the stage says');
  });
});
