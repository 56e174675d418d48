// Mean intersection over union of dense class maps: per class over all pixels of all images (Everingham et al. 2010),
// then the mean over classes that occur in the prediction or the target; and other rates of the same counts. Ignored pixels
// count nowhere.
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { argMax, columns, countOne, ratesOf } from './confusion.ts';
import type { Rate } from './confusion.ts';
import { FORM_REMEDY, fractions, MetricError, requireFinite } from './metric.ts';
import type { MetricResult, MetricValues } from './metric.ts';

export interface MeanIouSettings {
  readonly classes: readonly string[];
  readonly ignore: number;
  /** Further macro means; f1 is the Dice coefficient. */
  readonly also?: readonly PixelRate[];
  /** `mIoU` where it is left out. */
  readonly primary?: 'mIoU' | 'pixelAccuracy' | PixelRate;
}

export type PixelRate = 'precision' | 'recall' | 'f1';

/** Per image, then per class: pixels in both, pixels predicted, pixels of the target. */
export interface IouStatistics {
  readonly kind: 'mean-iou';
  readonly classes: readonly string[];
  readonly images: readonly number[];
  /** [images × classes × 3] */
  readonly pixels: readonly number[];
}

/** Collects batches of class maps; `finish` gives fractions: `mIoU`, `pixelAccuracy` (per class: of its own pixels) and `also`. */
export class MeanIou {
  private readonly primary: string;
  private readonly also: readonly PixelRate[];
  private readonly classes: readonly string[];
  private readonly ignore: number;
  private readonly images: number[] = [];
  private readonly pixels: number[] = [];

  constructor({ classes, ignore, also = [], primary = 'mIoU' }: MeanIouSettings) {
    this.primary = primary;
    this.also = primary === 'mIoU' || primary === 'pixelAccuracy' ? also : [...new Set([...also, primary])];
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
        FORM_REMEDY,
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
        countOne(counts, predicted, target);
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
    const measured = iouOf(statistics, undefined, this.also);
    return {
      primary: this.primary,
      ...measured,
      ...fractions(measured),
      count: this.images.length,
      reweighted: (weights) => iouOf(statistics, weights, this.also),
      perImage: statistics as IouStatistics & JsonObject,
    };
  }
}

/** From per-image counts; `weights` says how often each image counts (once, where it is left out). */
export function iouOf(
  { classes, images, pixels }: IouStatistics,
  weights?: Uint32Array,
  also: readonly PixelRate[] = [],
): MetricValues {
  const rates = ratesOf({ classes, images: images.length, counts: pixels }, weights);
  const names: readonly (readonly [name: string, rate: Rate])[] = [
    ['mIoU', 'iou'],
    ['pixelAccuracy', 'accuracy'],
    ...also.map((rate) => [rate, rate] as const),
  ];
  return {
    values: Object.fromEntries(names.map(([name, rate]) => [name, rates.values[rate]])),
    classes: Object.fromEntries(names.map(([name, rate]) => [name, rates.classes[rate]])),
  };
}
