// A tiny two-task data set, drawn from a seed: bright squares whose brightness is their class, with boxes and masks. Easy
// enough that a network of 4 channels learns it in a few epochs; not for measuring anything.
import { indexRows } from '../../src/data/dataset.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { Random } from '../../src/support/random.ts';

export const SIZE = 32;
export const BOX_CLASSES = ['dark', 'grey', 'light'] as const;
export const MASK_CLASSES = ['ground', ...BOX_CLASSES] as const;

export function tinyDataset(split: string, count: number, seed: number): Dataset {
  const random = new Random(seed);
  const images = new Uint8Array(count * SIZE * SIZE);
  const mask = new Uint8Array(count * SIZE * SIZE);
  const rows: number[] = [];
  for (let image = 0; image < count; image++) {
    for (let at = image * SIZE * SIZE; at < (image + 1) * SIZE * SIZE; at++) images[at] = random.below(24);
    for (const left of [0, SIZE / 2]) {
      const label = random.below(BOX_CLASSES.length);
      const [x0, y0, side] = [left + 1 + random.below(4), 1 + random.below(16), 8 + random.below(4)];
      for (let y = y0; y < y0 + side; y++) {
        for (let x = x0; x < x0 + side; x++) {
          images[(image * SIZE + y) * SIZE + x] = 90 + 70 * label + random.below(16);
          mask[(image * SIZE + y) * SIZE + x] = label + 1;
        }
      }
      rows.push(image, label, x0, y0, x0 + side, y0 + side);
    }
  }
  const boxes = Float32Array.from(rows);
  return {
    name: `tiny/${split}`,
    count,
    channels: 1,
    height: SIZE,
    width: SIZE,
    images,
    normalisation: { scale: 1 / 255, mean: [0.2], std: [0.3] },
    targets: new Map([
      ['boxes', { kind: 'boxes' as const, classes: BOX_CLASSES, rows: boxes, firstRow: indexRows(boxes, count) }],
      ['mask', { kind: 'mask' as const, classes: MASK_CLASSES, ignore: 255, values: mask }],
    ]),
  };
}
