// Training images changed at random, with their targets: mirrored, cut and resized, brightness, contrast and saturation.
// What happens to an image depends on seed, epoch and its index alone, so a resumed training sees the same. Geometry of the
// targets is in augment-targets.ts.
import { Random } from '../support/random.ts';
import { augmentTarget } from './augment-targets.ts';
import type { Dataset } from './dataset.ts';
import type { Window } from './augment-targets.ts';

export interface Augmentation {
  /** Chance of being mirrored left to right; 0 where it is left out. */
  readonly flip?: number;
  /** Smallest and largest side of the window that is kept, over the image's; above 1 there is a border around the image. */
  readonly scale?: readonly [number, number];
  /** Greatest change of each, as a share: the factor lies between 1 − x and 1 + x. */
  readonly brightness?: number;
  readonly contrast?: number;
  readonly saturation?: number;
}

/** Keeps these draws apart from those that order the batches. */
const STREAM = 0x61_75_67;

interface Change {
  readonly window: Window;
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

/** The images `indices` of the data set, changed, as a data set of their own in that order. */
export function augmented(
  dataset: Dataset,
  indices: ArrayLike<number>,
  augmentation: Augmentation,
  { seed, epoch }: { readonly seed: number; readonly epoch: number },
): Dataset {
  const changes = Array.from(indices, (image) =>
    drawChange(augmentation, dataset, Random.derive(seed, STREAM, epoch, image)),
  );
  const each = dataset.channels * dataset.height * dataset.width;
  const images = new Uint8Array(changes.length * each);
  for (const [place, change] of changes.entries()) {
    const first = (indices[place] as number) * each;
    const image = images.subarray(place * each, (place + 1) * each);
    changeImage(dataset, dataset.images.subarray(first, first + each), change, image);
  }
  const windows = changes.map(({ window }) => window);
  const { groups: _, ...rest } = dataset;
  return {
    ...rest,
    count: changes.length,
    images,
    targets: new Map(
      [...dataset.targets].map(([name, target]) => [name, augmentTarget(dataset, target, indices, windows)]),
    ),
  };
}

/** Draws as many numbers whatever is asked for: a further change leaves the others as they were. */
function drawChange(augmentation: Augmentation, { height, width }: Dataset, random: Random): Change {
  const { flip = 0, scale: [least, most] = [1, 1], brightness = 0, contrast = 0, saturation = 0 } = augmentation;
  const mirrored = random.uniform() < flip;
  const scale = least + (most - least) * random.uniform();
  const [left, top] = [random.uniform() * width * (1 - scale), random.uniform() * height * (1 - scale)];
  const factor = (by: number): number => Math.max(0, 1 + by * (2 * random.uniform() - 1));
  return {
    window: { mirrored, scale, left, top },
    brightness: factor(brightness),
    contrast: factor(contrast),
    saturation: factor(saturation),
  };
}

function changeImage(dataset: Dataset, from: Uint8Array, change: Change, to: Uint8Array): void {
  const values = resampled(dataset, from, change.window);
  const { channels } = dataset;
  const plane = dataset.height * dataset.width;
  for (let at = 0; at < values.length; at++) values[at] = Math.min(255, (values[at] as number) * change.brightness);
  if (change.contrast !== 1) {
    let sum = 0;
    for (let pixel = 0; pixel < plane; pixel++) sum += grey(values, channels, plane, pixel);
    const mean = sum / plane;
    for (let at = 0; at < values.length; at++)
      values[at] = clipped(mean + ((values[at] as number) - mean) * change.contrast);
  }
  if (change.saturation !== 1 && channels === 3) {
    for (let pixel = 0; pixel < plane; pixel++) {
      const middle = grey(values, channels, plane, pixel);
      for (let at = pixel; at < values.length; at += plane)
        values[at] = clipped(middle + ((values[at] as number) - middle) * change.saturation);
    }
  }
  for (let at = 0; at < values.length; at++) to[at] = Math.round(values[at] as number);
}

/** Bilinear, the edge's pixels repeated up to the edge; what lies beyond it has the data set's mean. */
function resampled(
  { channels, height, width, normalisation }: Dataset,
  from: Uint8Array,
  { mirrored, scale, left, top }: Window,
): Float32Array {
  const values = new Float32Array(from.length);
  const plane = height * width;
  for (let y = 0; y < height; y++) {
    const sourceY = top + (y + 0.5) * scale;
    for (let x = 0; x < width; x++) {
      const sourceX = left + ((mirrored ? width - 1 - x : x) + 0.5) * scale;
      const outside = sourceX < 0 || sourceY < 0 || sourceX >= width || sourceY >= height;
      for (let channel = 0; channel < channels; channel++) {
        const border = clipped((normalisation.mean[channel] as number) / normalisation.scale);
        const at = channel * plane + y * width + x;
        const pixels = from.subarray(channel * plane, (channel + 1) * plane);
        values[at] = outside ? border : bilinear(pixels, width, height, sourceX - 0.5, sourceY - 0.5);
      }
    }
  }
  return values;
}

function bilinear(pixels: Uint8Array, width: number, height: number, x: number, y: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [across, down] = [x - left, y - top];
  const at = (column: number, row: number): number =>
    pixels[Math.min(height - 1, Math.max(0, row)) * width + Math.min(width - 1, Math.max(0, column))] as number;
  const upper = at(left, top) * (1 - across) + at(left + 1, top) * across;
  const lower = at(left, top + 1) * (1 - across) + at(left + 1, top + 1) * across;
  return upper * (1 - down) + lower * down;
}

/** ITU-R BT.601 luma of RGB; the mean of any other channels. */
function grey(values: Float32Array, channels: number, plane: number, pixel: number): number {
  const at = (channel: number): number => values[channel * plane + pixel] as number;
  if (channels === 3) return 0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2);
  let sum = 0;
  for (let channel = 0; channel < channels; channel++) sum += at(channel);
  return sum / channels;
}

function clipped(value: number): number {
  return Math.min(255, Math.max(0, value));
}
