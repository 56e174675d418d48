// Mean intersection over union of dense class maps: per class over all pixels of all images (Everingham et al. 2010),
// then the mean over classes that occur in the prediction or the target. Ignored pixels count nowhere.
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { MetricError, meanOf, requireFinite } from './metric.ts';
import type { MetricResult } from './metric.ts';

export interface MeanIouSettings {
  readonly classes: readonly string[];
  readonly ignore: number;
}

/** Per image, then per class: pixels in both, pixels predicted, pixels of the target. */
export interface IouStatistics {
  readonly kind: 'mean-iou';
  readonly classes: readonly string[];
  readonly images: readonly number[];
  /** [images × classes × 3] */
  readonly pixels: readonly number[];
}

const columns = 3;

/** Collects batches of class maps; `finish` gives `mIoU` and `pixelAccuracy` as fractions, and IoU per class. */
export class MeanIou {
  private readonly classes: readonly string[];
  private readonly ignore: number;
  private readonly images: number[] = [];
  private readonly pixels: number[] = [];

  constructor({ classes, ignore }: MeanIouSettings) {
    this.classes = classes;
    this.ignore = ignore;
  }

  /**
   * `logits` [B, classes, H, W]; `targets` int32 [B, H, W]; `images` names each image of the batch. Only the first `valid`
   * count. Of equal logits the lowest class wins.
   * @throws MetricError on values that are not finite and on targets outside the classes.
   */
  add(logits: FloatTensor, targets: Tensor, images: ArrayLike<number>, valid: number = images.length): void {
    const classes = this.classes.length;
    const plane = (logits.shape[2] as number) * (logits.shape[3] as number);
    if (logits.shape[1] !== classes || targets.data.length !== logits.data.length / classes) {
      throw new MetricError(
        `[${logits.shape.join(', ')}] and [${targets.shape.join(', ')}] are not ${classes} classes over one grid`,
      );
    }
    requireFinite(logits.data, classes * plane, images, valid);
    for (let place = 0; place < valid; place++) {
      const counts = new Array<number>(classes * columns).fill(0);
      for (let pixel = 0; pixel < plane; pixel++) {
        const target = Number(targets.data[place * plane + pixel]);
        if (target === this.ignore) continue;
        if (!(target >= 0 && target < classes))
          throw new MetricError(`image ${images[place]} has a pixel of class ${target}`);
        const predicted = argMax(logits.data, place * classes * plane + pixel, classes, plane);
        if (predicted === target) increase(counts, target * columns);
        increase(counts, predicted * columns + 1);
        increase(counts, target * columns + 2);
      }
      this.images.push(images[place] as number);
      this.pixels.push(...counts);
    }
  }

  finish(): MetricResult {
    const statistics: IouStatistics = {
      kind: 'mean-iou',
      classes: this.classes,
      images: this.images,
      pixels: this.pixels,
    };
    return {
      primary: 'mIoU',
      ...iouOf(statistics),
      count: this.images.length,
      reweighted: (weights) => iouOf(statistics, weights),
      perImage: statistics as IouStatistics & JsonObject,
    };
  }
}

/** From per-image counts; `weights` says how often each image counts (once, where it is left out). */
export function iouOf(statistics: IouStatistics, weights?: Uint32Array): Pick<MetricResult, 'values' | 'perClass'> {
  const { classes, images, pixels } = statistics;
  const sums = new Float64Array(classes.length * columns);
  for (let image = 0; image < images.length; image++) {
    const weight = weights === undefined ? 1 : (weights[image] as number);
    if (weight === 0) continue;
    for (let at = 0; at < sums.length; at++) {
      sums[at] = (sums[at] as number) + weight * (pixels[image * sums.length + at] as number);
    }
  }
  const perClass: { [name: string]: number } = {};
  let [right, all] = [0, 0];
  for (const [index, name] of classes.entries()) {
    const [both, predicted, target] = [...sums.subarray(index * columns, (index + 1) * columns)] as [
      number,
      number,
      number,
    ];
    right += both;
    all += target;
    const union = predicted + target - both;
    if (union > 0) perClass[name] = both / union;
  }
  return {
    values: { mIoU: meanOf(Object.values(perClass)), pixelAccuracy: all > 0 ? right / all : Number.NaN },
    perClass,
  };
}

function argMax(data: Float32Array, start: number, classes: number, step: number): number {
  let best = 0;
  let most = data[start] as number;
  for (let index = 1; index < classes; index++) {
    const value = data[start + index * step] as number;
    if (value > most) [best, most] = [index, value];
  }
  return best;
}

function increase(counts: number[], at: number): void {
  counts[at] = (counts[at] as number) + 1;
}
