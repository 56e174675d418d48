// What is hardly meant in a data set: told where it is, and not told where everything is in order.
import { describe, expect, it } from 'vitest';
import { dataDoubts } from '../../src/data/data-doubts.ts';
import type { Dataset } from '../../src/data/dataset.ts';

const inOrder: Dataset = {
  name: 'd',
  count: 4,
  channels: 1,
  height: 1,
  width: 2,
  images: Uint8Array.of(0, 200, 3, 255, 0, 16, 90, 90),
  normalisation: { scale: 1 / 255, mean: [0], std: [1] },
  targets: new Map([
    ['label', { kind: 'class', classes: ['p', 'q'], values: Int32Array.of(0, 1, 1, 0) }],
    ['ground', { kind: 'mask', classes: ['road'], ignore: 255, values: Uint8Array.of(0, 255, 0, 0, 0, 0, 0, 0) }],
  ]),
};
const maskOf = (classes: readonly string[]): Dataset => ({
  ...inOrder,
  targets: new Map([
    ['ground', { kind: 'mask', classes, ignore: 255, values: Uint8Array.of(0, 255, 0, 0, 2, 0, 0, 0) }],
  ]),
});

describe('doubts about a data set', () => {
  it('are none where every class occurs and the images use their range', () => {
    for (const split of ['train', 'calibration', 'gate', 'report']) expect(dataDoubts(split, inOrder)).toEqual([]);
  });

  it('name the classes that never occur in what is measured on, and let training data be', () => {
    const data = maskOf(['road', 'tram', 'sky', 'dog']);
    expect(dataDoubts('gate', data)).toEqual([
      '2 of the 4 classes of target "ground" never occur in the 4 images of split "gate": "tram", "dog"; what is measured on it says nothing of them',
    ]);
    expect(dataDoubts('report', data)).toHaveLength(1);
    expect(dataDoubts('train', data)).toEqual([]);
  });

  it('take a few dark images, or black ones, for no clipped range', () => {
    const images = new Uint8Array(40).fill(200);
    const many = { ...inOrder, count: 20, images, targets: new Map() };
    images.fill(9, 2, 4);
    expect(dataDoubts('train', many)).toEqual([]);
    images.fill(12, 4, 6);
    expect(dataDoubts('train', many)[0]).toMatch(/^2 of the 20 images of split "train" hold no value above 12/);
    expect(dataDoubts('train', { ...many, images: new Uint8Array(40) })).toEqual([]);
  });
});
