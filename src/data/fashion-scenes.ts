// FashionScenes: one to four real Fashion-MNIST items on a noisy canvas, with boxes and a class per pixel.
// The objects are real, the layouts are synthetic, masks come from the items' own pixels (> 16).
// Scene k of a split depends on the seed, the split and k only: asking for more scenes leaves the first ones as they were.
import { Random } from '../support/random.ts';
import { indexRows } from './dataset.ts';
import type { Dataset } from './dataset.ts';
import { fashionClasses, itemSide } from './fashion-mnist.ts';
import type { FashionMnist, Items } from './fashion-mnist.ts';

export const splitNames = ['train', 'gate', 'report', 'calibration'] as const;
export type SplitName = (typeof splitNames)[number];

export interface SceneSettings {
  /** Side of the square canvas in pixels. */
  readonly size: number;
  /** Fewest and most items on a scene. */
  readonly items: readonly [number, number];
  /** Smallest and largest enlargement of an item. */
  readonly scale: readonly [number, number];
  /** Smallest and largest amplitude of the background's noise, of 255. */
  readonly noise: readonly [number, number];
}

export const defaultSceneSettings: SceneSettings = { size: 64, items: [1, 4], scale: [1, 1], noise: [16, 64] };

export const sceneMaskClasses = ['background', ...fashionClasses] as const;

/** Fixed, not measured per split, so that every split means the same by one number. */
export const sceneNormalisation = { scale: 1 / 255, mean: [0.23], std: [0.22] } as const;

/** An item's own pixels: brighter than this. */
const ownPixel = 16;
/** Highest level of the canvas below its noise. */
const darkest = 32;
/** An item of which less than this stays visible is no detection target. */
const leastVisible = 0.25;

/** Which items a split may use: training items for train and calibration, one half of the test items each for gate and report. */
export function splitItems(data: FashionMnist, split: SplitName): Items {
  switch (split) {
    case 'train':
    case 'calibration':
      return data.train;
    case 'gate':
      return slice(data.test, 0, data.test.count >> 1);
    case 'report':
      return slice(data.test, data.test.count >> 1, data.test.count);
  }
}

/** Composes in steps, so that the caller can report progress or stop between them. */
export class SceneComposer {
  readonly count: number;
  private readonly images: Uint8Array;
  private readonly mask: Uint8Array;
  private readonly boxes: number[] = [];
  private readonly items: Items;
  private readonly settings: SceneSettings;
  private readonly seed: number;
  private readonly split: SplitName;
  /** Which item (counted from 1) owns each pixel of the scene at hand. */
  private readonly owner: Uint8Array;
  private composed = 0;

  constructor(items: Items, split: SplitName, count: number, seed: number, settings: SceneSettings) {
    const pixels = settings.size * settings.size;
    this.items = items;
    this.split = split;
    this.count = count;
    this.seed = seed;
    this.settings = settings;
    this.images = new Uint8Array(count * pixels);
    this.mask = new Uint8Array(count * pixels);
    this.owner = new Uint8Array(pixels);
  }

  get done(): number {
    return this.composed;
  }

  /** Composes up to `scenes` more. */
  advance(scenes: number): void {
    const end = Math.min(this.count, this.composed + scenes);
    for (; this.composed < end; this.composed++) this.compose(this.composed);
  }

  dataset(): Dataset {
    if (this.composed < this.count) throw new Error(`${this.composed} of ${this.count} scenes are composed`);
    const { size } = this.settings;
    const rows = Float32Array.from(this.boxes);
    return {
      name: `fashion-scenes/${this.split}`,
      count: this.count,
      channels: 1,
      height: size,
      width: size,
      images: this.images,
      normalisation: sceneNormalisation,
      targets: new Map([
        ['boxes', { kind: 'boxes' as const, classes: fashionClasses, rows, firstRow: indexRows(rows, this.count) }],
        ['mask', { kind: 'mask' as const, classes: sceneMaskClasses, ignore: 255, values: this.mask }],
      ]),
    };
  }

  private compose(scene: number): void {
    const { size, items, scale, noise } = this.settings;
    const random = Random.derive(this.seed, splitNames.indexOf(this.split), scene);
    const image = this.images.subarray(scene * size * size, (scene + 1) * size * size);
    const mask = this.mask.subarray(scene * size * size, (scene + 1) * size * size);
    paintBackground(image, random, between(random, noise));
    this.owner.fill(0);
    const placed: Placed[] = [];
    const wanted = items[0] + random.below(items[1] - items[0] + 1);
    for (let number = 1; number <= wanted; number++) {
      const index = random.below(this.items.count);
      const side = Math.min(size, Math.round(itemSide * (scale[0] + (scale[1] - scale[0]) * random.uniform())));
      const pixels = resized(
        this.items.images.subarray(index * itemSide * itemSide, (index + 1) * itemSide * itemSide),
        side,
      );
      const [left, top] = [random.below(size - side + 1), random.below(size - side + 1)];
      const label = this.items.labels[index] as number;
      placed.push(this.paint({ image, mask, pixels, side, left, top, label, number }));
    }
    const visible = countVisible(this.owner, wanted);
    placed.forEach(({ label, area, box }, index) => {
      if (area > 0 && (visible[index + 1] as number) >= leastVisible * area) this.boxes.push(scene, label, ...box);
    });
  }

  /** Paints an item over whatever is there; its box spans all its own pixels, hidden later or not. */
  private paint({ image, mask, pixels, side, left, top, label, number }: PaintJob): Placed {
    const { size } = this.settings;
    let [area, x0, y0, x1, y1] = [0, side, side, 0, 0];
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const value = pixels[y * side + x] as number;
        if (value <= ownPixel) continue;
        const at = (top + y) * size + left + x;
        image[at] = value;
        mask[at] = label + 1;
        this.owner[at] = number;
        area++;
        if (x < x0) x0 = x;
        if (x >= x1) x1 = x + 1;
        if (y < y0) y0 = y;
        if (y >= y1) y1 = y + 1;
      }
    }
    return { label, area, box: [left + x0, top + y0, left + x1, top + y1] };
  }
}

interface PaintJob {
  readonly image: Uint8Array;
  readonly mask: Uint8Array;
  readonly pixels: Uint8Array;
  readonly side: number;
  readonly left: number;
  readonly top: number;
  readonly label: number;
  readonly number: number;
}

interface Placed {
  readonly label: number;
  readonly area: number;
  readonly box: readonly [number, number, number, number];
}

/** A level per scene and uniform noise on top; four pixels from each 32-bit draw. */
function paintBackground(image: Uint8Array, random: Random, amplitude: number): void {
  const level = random.below(darkest + 1);
  for (let at = 0; at < image.length; at += 4) {
    let bits = random.uint32();
    for (let byte = 0; byte < 4 && at + byte < image.length; byte++) {
      image[at + byte] = level + (((bits & 0xff) * amplitude) >> 8);
      bits >>>= 8;
    }
  }
}

function between(random: Random, [low, high]: readonly [number, number]): number {
  return low + random.below(high - low + 1);
}

function countVisible(owner: Uint8Array, items: number): Uint32Array {
  const counts = new Uint32Array(items + 1);
  for (const number of owner) counts[number] = (counts[number] as number) + 1;
  return counts;
}

/** Bilinear, pixel centres aligned, rounded to the nearest byte. */
function resized(pixels: Uint8Array, side: number): Uint8Array {
  if (side === itemSide) return pixels;
  const result = new Uint8Array(side * side);
  const place = (at: number): readonly [number, number, number] => {
    const source = Math.min(itemSide - 1, Math.max(0, ((at + 0.5) * itemSide) / side - 0.5));
    const low = Math.floor(source);
    return [low, Math.min(itemSide - 1, low + 1), source - low];
  };
  const pixel = (y: number, x: number): number => pixels[y * itemSide + x] as number;
  for (let y = 0; y < side; y++) {
    const [y0, y1, fy] = place(y);
    for (let x = 0; x < side; x++) {
      const [x0, x1, fx] = place(x);
      const upper = pixel(y0, x0) * (1 - fx) + pixel(y0, x1) * fx;
      const lower = pixel(y1, x0) * (1 - fx) + pixel(y1, x1) * fx;
      result[y * side + x] = Math.round(upper * (1 - fy) + lower * fy);
    }
  }
  return result;
}

function slice(items: Items, from: number, to: number): Items {
  const pixels = itemSide * itemSide;
  return {
    count: to - from,
    images: items.images.subarray(from * pixels, to * pixels),
    labels: items.labels.subarray(from, to),
  };
}
