// Augmented images: what happens depends on seed, epoch and image alone, and targets move with the pixels.
import { describe, expect, it } from 'vitest';
import { augmented } from '../../src/data/augment.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { boxRow } from '../../src/data/dataset.ts';
import { SIZE, tinyDataset } from '../backends/tiny-data.ts';

const dataset = tinyDataset('train', 8, 5);
const everything = { flip: 0.5, scale: [0.6, 1.2], brightness: 0.3, contrast: 0.3, saturation: 0.3 } as const;

function boxes({ targets }: Dataset) {
  const target = targets.get('boxes');
  if (target?.kind !== 'boxes') throw new Error('no boxes');
  return target;
}

function mask({ targets }: Dataset): Uint8Array {
  const target = targets.get('mask');
  if (target?.kind !== 'mask') throw new Error('no mask');
  return target.values;
}

describe('augmentation', () => {
  it('of nothing leaves images and targets as they are', () => {
    const same = augmented(dataset, [0, 1, 2, 3, 4, 5, 6, 7], {}, { seed: 1, epoch: 0 });
    expect(same).toEqual(dataset);
  });

  it('mirrors image, mask and boxes alike', () => {
    const mirrored = augmented(dataset, [3], { flip: 1 }, { seed: 1, epoch: 0 });
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        const from = (3 * SIZE + y) * SIZE + (SIZE - 1 - x);
        expect(mirrored.images[y * SIZE + x]).toBe(dataset.images[from]);
        expect(mask(mirrored)[y * SIZE + x]).toBe(mask(dataset)[from]);
      }
    }
    const first = boxes(dataset).firstRow[3] as number;
    const [, label, x0, y0, x1, y1] = boxRow(boxes(dataset).rows, first);
    expect(boxRow(boxes(mirrored).rows, 0)).toEqual([0, label, SIZE - x1, y0, SIZE - x0, y1]);
  });

  it('gives an image the same change whatever stands beside it, another one in another epoch', () => {
    const alone = augmented(dataset, [5], everything, { seed: 7, epoch: 2 });
    const among = augmented(dataset, [1, 5, 2], everything, { seed: 7, epoch: 2 });
    const plane = SIZE * SIZE;
    expect(among.images.slice(plane, 2 * plane)).toEqual(alone.images);
    expect(augmented(dataset, [5], everything, { seed: 7, epoch: 3 }).images).not.toEqual(alone.images);
    expect(augmented(dataset, [5], everything, { seed: 8, epoch: 2 }).images).not.toEqual(alone.images);
  });

  it('keeps the mask under the boxes when it cuts: the pixel at a box’s centre has its class', () => {
    for (let epoch = 0; epoch < 20; epoch++) {
      const cut = augmented(dataset, [0, 1, 2, 3], { scale: [0.6, 1.3], flip: 0.5 }, { seed: 3, epoch });
      const { rows } = boxes(cut);
      for (let row = 0; row < rows.length / 6; row++) {
        const [image, label, x0, y0, x1, y1] = boxRow(rows, row);
        const [x, y] = [Math.floor((x0 + x1) / 2), Math.floor((y0 + y1) / 2)];
        expect(mask(cut)[(image * SIZE + y) * SIZE + x]).toBe(label + 1);
      }
    }
  });

  it('fills what lies beyond the image with pixels that count nowhere', () => {
    const smaller = augmented(dataset, [0], { scale: [2, 2] }, { seed: 3, epoch: 0 });
    expect(mask(smaller).filter((value) => value === 255).length).toBe(SIZE * SIZE - (SIZE / 2) ** 2);
  });
});
