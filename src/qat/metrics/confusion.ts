// What is right and wrong per class, from counts per image: the base of accuracy, precision, recall, F1 and IoU, whether what
// is counted are pixels or images. Means are over the classes that occur in the prediction or the target (scikit-learn's
// macro average); a class that was never predicted has precision 0.
import { meanOf } from './metric.ts';
import type { ByName } from './metric.ts';

/** Per image, then per class: in both, predicted, in the target. */
export interface Counts {
  readonly classes: readonly string[];
  readonly images: number;
  /** [images × classes × 3] */
  readonly counts: ArrayLike<number>;
}

export const columns = 3;

export type Rate = 'accuracy' | 'precision' | 'recall' | 'f1' | 'iou';

export interface Rates {
  readonly values: { readonly [rate in Rate]: number };
  readonly classes: { readonly [rate in Rate]: ByName<number> };
}

/** `weights` says how often each image counts (once, where it is left out). */
export function ratesOf({ classes, images, counts }: Counts, weights?: Uint32Array): Rates {
  const sums = new Float64Array(classes.length * columns);
  for (let image = 0; image < images; image++) {
    const weight = weights === undefined ? 1 : (weights[image] as number);
    if (weight === 0) continue;
    for (let at = 0; at < sums.length; at++) {
      sums[at] = (sums[at] as number) + weight * (counts[image * sums.length + at] as number);
    }
  }
  const perClass: { [rate in Rate]: { [name: string]: number } } = {
    accuracy: {},
    precision: {},
    recall: {},
    f1: {},
    iou: {},
  };
  let [right, all] = [0, 0];
  for (const [index, name] of classes.entries()) {
    const [both, predicted, target] = [0, 1, 2].map((at) => sums[index * columns + at]) as [number, number, number];
    right += both;
    all += target;
    const union = predicted + target - both;
    if (union === 0) continue;
    perClass.iou[name] = both / union;
    perClass.f1[name] = (2 * both) / (predicted + target);
    perClass.precision[name] = predicted > 0 ? both / predicted : 0;
    perClass.recall[name] = target > 0 ? both / target : 0;
    if (target > 0) perClass.accuracy[name] = both / target;
  }
  const mean = (of: ByName<number>): number => meanOf(Object.values(of));
  return {
    values: {
      accuracy: all > 0 ? right / all : Number.NaN,
      precision: mean(perClass.precision),
      recall: mean(perClass.recall),
      f1: mean(perClass.f1),
      iou: mean(perClass.iou),
    },
    classes: perClass,
  };
}

/** Of equal scores the lowest class wins. `data` holds a score every `step` from `start`. */
export function argMax(data: Float32Array, start: number, classes: number, step: number): number {
  let best = 0;
  let most = data[start] as number;
  for (let index = 1; index < classes; index++) {
    const value = data[start + index * step] as number;
    if (value > most) [best, most] = [index, value];
  }
  return best;
}

/** Counts one thing of class `target` that was taken for `predicted`; `first` is where the image's counts begin. */
export function countOne(counts: number[], predicted: number, target: number, first = 0): void {
  const increase = (at: number): void => {
    counts[first + at] = (counts[first + at] as number) + 1;
  };
  if (predicted === target) increase(target * columns);
  increase(predicted * columns + 1);
  increase(target * columns + 2);
}
