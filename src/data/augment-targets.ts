// Targets under the window that an augmented image was taken from: boxes move with it and go when their centre leaves it,
// masks and maps are sampled at the same places as the image (nearest neighbour: class numbers must not mix).
import { boxRow, indexRows } from './dataset.ts';
import type { BoxTarget, Dataset, MaskTarget, Target, ValuesTarget } from './dataset.ts';
import { elementCount } from '../support/tensor.ts';

/** Which part of an image becomes the whole: `scale` of its sides, from (left, top) in pixels, then mirrored. */
export interface Window {
  readonly mirrored: boolean;
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

export function augmentTarget(
  dataset: Dataset,
  target: Target,
  indices: ArrayLike<number>,
  windows: readonly Window[],
): Target {
  switch (target.kind) {
    case 'boxes':
      return moveBoxes(dataset, target, indices, windows);
    case 'mask':
      return sampleMasks(dataset, target, indices, windows);
    case 'class':
      return {
        ...target,
        values: Int32Array.from(windows, (_, place) => target.values[indices[place] as number] ?? 0),
      };
    case 'values':
      return sampleValues(dataset, target, indices, windows);
  }
}

function moveBoxes(
  { height, width }: Dataset,
  target: BoxTarget,
  indices: ArrayLike<number>,
  windows: readonly Window[],
): BoxTarget {
  const rows: number[] = [];
  for (const [place, { mirrored, scale, left, top }] of windows.entries()) {
    const image = indices[place] as number;
    for (let row = target.firstRow[image] as number; row < (target.firstRow[image + 1] as number); row++) {
      const [, label, x0, y0, x1, y1] = boxRow(target.rows, row);
      const across = [(x0 - left) / scale, (x1 - left) / scale] as const;
      const [from, to] = mirrored ? [width - across[1], width - across[0]] : across;
      const [upper, lower] = [(y0 - top) / scale, (y1 - top) / scale];
      const [x, y] = [(from + to) / 2, (upper + lower) / 2];
      if (x >= 0 && y >= 0 && x < width && y < height) rows.push(place, label, from, upper, to, lower);
    }
  }
  const moved = Float32Array.from(rows);
  return { ...target, rows: moved, firstRow: indexRows(moved, windows.length) };
}

function sampleMasks(
  { height, width }: Dataset,
  target: MaskTarget,
  indices: ArrayLike<number>,
  windows: readonly Window[],
): MaskTarget {
  const plane = height * width;
  const values = new Uint8Array(windows.length * plane);
  for (const [place, window] of windows.entries()) {
    const first = (indices[place] as number) * plane;
    eachSource(height, width, window, (at, source) => {
      values[place * plane + at] = source === undefined ? target.ignore : (target.values[first + source] as number);
    });
  }
  return { ...target, values };
}

/** Vectors stay; maps of the image's shape are sampled, 0 beyond its edge. */
function sampleValues(
  { height, width }: Dataset,
  target: ValuesTarget,
  indices: ArrayLike<number>,
  windows: readonly Window[],
): ValuesTarget {
  const each = elementCount(target.shape);
  const values = new Float32Array(windows.length * each);
  const [channels = 1, rows, columns] = target.shape;
  for (const [place, window] of windows.entries()) {
    const first = (indices[place] as number) * each;
    if (rows !== height || columns !== width) {
      values.set(target.values.subarray(first, first + each), place * each);
      continue;
    }
    eachSource(height, width, window, (at, source) => {
      for (let plane = 0; plane < channels * height * width; plane += height * width)
        values[place * each + plane + at] =
          source === undefined ? 0 : (target.values[first + plane + source] as number);
    });
  }
  return { ...target, values };
}

/** Every pixel with the one it is taken from; undefined beyond the image's edge. */
function eachSource(
  height: number,
  width: number,
  { mirrored, scale, left, top }: Window,
  visit: (at: number, source: number | undefined) => void,
): void {
  for (let y = 0; y < height; y++) {
    const row = Math.floor(top + (y + 0.5) * scale);
    for (let x = 0; x < width; x++) {
      const column = Math.floor(left + ((mirrored ? width - 1 - x : x) + 0.5) * scale);
      const inside = row >= 0 && column >= 0 && row < height && column < width;
      visit(y * width + x, inside ? row * width + column : undefined);
    }
  }
}
