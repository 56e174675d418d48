// Accuracy of whole images: the share whose class scores highest or among the k highest, and the macro means of precision,
// recall and F1. Not for class maps (mean-iou.ts).
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { argMax, columns, countOne, ratesOf } from './confusion.ts';
import { FORM_REMEDY, fractions, MetricError, requireFinite } from './metric.ts';
import type { MetricResult, MetricValues } from './metric.ts';

export interface ClassificationSettings {
  readonly classes: readonly string[];
  /** k of `top<k>`; [5] where it is left out and there are more classes. */
  readonly topK?: readonly number[];
  /** `accuracy` where it is left out. */
  readonly primary?: string;
}

export interface ClassificationStatistics {
  readonly kind: 'classification';
  readonly classes: readonly string[];
  readonly images: readonly number[];
  /** The true class. */
  readonly target: readonly number[];
  readonly predicted: readonly number[];
  /** How many classes score better than the true one; equal scores are ordered by class. */
  readonly rank: readonly number[];
}

/** Collects batches of scores; `finish` gives fractions: `accuracy`, `top<k>`, `precision`, `recall` and `f1`. */
export class Classification {
  private readonly settings: ClassificationSettings;
  private readonly images: number[] = [];
  private readonly target: number[] = [];
  private readonly predicted: number[] = [];
  private readonly rank: number[] = [];

  constructor(settings: ClassificationSettings) {
    this.settings = settings;
  }

  /**
   * `logits` [B, classes]; `targets` int32 [B]; `images` names each image of the batch. Only the first `valid` count.
   * @throws MetricError on values that are not finite and on targets outside the classes.
   */
  add(logits: FloatTensor, targets: Tensor, images: ArrayLike<number>, valid: number = images.length): void {
    const classes = this.settings.classes.length;
    if (logits.data.length !== (logits.shape[0] as number) * classes)
      throw new MetricError(`[${logits.shape.join(', ')}] are not ${classes} scores for each image`, FORM_REMEDY);
    requireFinite(logits.data, classes, images, valid);
    for (let place = 0; place < valid; place++) {
      const target = Number(targets.data[place]);
      if (!(target >= 0 && target < classes)) throw new MetricError(`image ${images[place]} is of class ${target}`);
      const scores = logits.data.subarray(place * classes, (place + 1) * classes);
      this.images.push(images[place] as number);
      this.target.push(target);
      this.predicted.push(argMax(scores, 0, classes, 1));
      this.rank.push(rankOf(scores, target));
    }
  }

  finish(): MetricResult {
    const { classes, topK, primary = 'accuracy' } = this.settings;
    const { images, target, predicted, rank } = this;
    const statistics: ClassificationStatistics = { kind: 'classification', classes, images, target, predicted, rank };
    const ks = topK ?? [5].filter((k) => k < classes.length);
    const counts = countsOf(statistics);
    const measured = valuesOf(statistics, counts, ks);
    return {
      primary,
      ...measured,
      ...fractions(measured),
      count: images.length,
      reweighted: (weights) => valuesOf(statistics, counts, ks, weights),
      perImage: statistics as ClassificationStatistics & JsonObject,
    };
  }
}

function rankOf(scores: Float32Array, target: number): number {
  const own = scores[target] as number;
  return scores.reduce((rank, score, index) => rank + (score > own || (score === own && index < target) ? 1 : 0), 0);
}

function countsOf({ classes, target, predicted }: ClassificationStatistics): readonly number[] {
  const each = classes.length * columns;
  const counts = new Array<number>(target.length * each).fill(0);
  for (const [place, of] of target.entries()) countOne(counts, predicted[place] as number, of, place * each);
  return counts;
}

function valuesOf(
  { classes, images, rank }: ClassificationStatistics,
  counts: readonly number[],
  topK: readonly number[],
  weights?: Uint32Array,
): MetricValues {
  const rates = ratesOf({ classes, images: images.length, counts }, weights);
  const { accuracy, precision, recall, f1 } = rates.values;
  const { iou: _, ...byClass } = rates.classes;
  const among = (k: number): number => {
    let [found, all] = [0, 0];
    for (const [place, better] of rank.entries()) {
      const weight = weights?.[place] ?? 1;
      all += weight;
      if (better < k) found += weight;
    }
    return all > 0 ? found / all : Number.NaN;
  };
  const top = Object.fromEntries(topK.map((k) => [`top${k}`, among(k)]));
  return { values: { accuracy, ...top, precision, recall, f1 }, classes: byClass };
}
