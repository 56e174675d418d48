// Average precision of detections that are known to be right or wrong, for any weighting of the images: sorted once, so that
// a bootstrap can ask hundreds of times.
import { meanOf } from './metric.ts';
import type { MetricResult } from './metric.ts';

export interface DetectionStatistics {
  readonly kind: 'centre-map';
  readonly classes: readonly string[];
  readonly images: readonly number[];
  /** [images × classes]: true objects. */
  readonly truths: readonly number[];
  /** All detections in the order they were added; `place` points into `images`. */
  readonly place: readonly number[];
  readonly label: readonly number[];
  readonly logit: readonly number[];
  /** 1 where the detection is right. */
  readonly right: readonly number[];
}

/** A class's detections by (score descending, image, order within the image), up to the last right one. */
interface Ranking {
  readonly places: Uint32Array;
  readonly right: Uint8Array;
  /** [hits]: scratch for the hits of one weighting. */
  readonly precision: Float64Array;
  readonly gained: Float64Array;
}

export class AveragePrecision {
  private readonly statistics: DetectionStatistics;
  private readonly rankings: readonly Ranking[];

  constructor(statistics: DetectionStatistics) {
    this.statistics = statistics;
    const { classes, label } = statistics;
    const byClass: number[][] = classes.map(() => []);
    for (const [detection, of] of label.entries()) byClass[of]?.push(detection);
    this.rankings = byClass.map((order) => this.ranking(order.sort((left, right) => this.compare(left, right))));
  }

  /** `weights` says how often each image counts (once, where it is left out). */
  of(weights?: Uint32Array): Pick<MetricResult, 'values' | 'perClass'> {
    const { classes, images, truths } = this.statistics;
    const once = weights ?? new Uint32Array(images.length).fill(1);
    const perClass: { [name: string]: number } = {};
    for (const [label, name] of classes.entries()) {
      let objects = 0;
      for (let image = 0; image < images.length; image++) {
        objects += (once[image] as number) * (truths[image * classes.length + label] as number);
      }
      if (objects > 0) perClass[name] = areaUnder(this.rankings[label] as Ranking, objects, once);
    }
    return { values: { mAP: meanOf(Object.values(perClass)) }, perClass };
  }

  private compare(left: number, right: number): number {
    const { images, place, logit } = this.statistics;
    const imageOf = (detection: number): number => images[place[detection] as number] as number;
    return (logit[right] as number) - (logit[left] as number) || imageOf(left) - imageOf(right) || left - right;
  }

  /** After the last right detection recall grows no more, so nothing behind it adds to the area. */
  private ranking(order: readonly number[]): Ranking {
    const { place, right } = this.statistics;
    const last = order.findLastIndex((detection) => right[detection] === 1);
    const kept = order.slice(0, last + 1);
    const hits = kept.filter((detection) => right[detection] === 1).length;
    return {
      places: Uint32Array.from(kept, (detection) => place[detection] as number),
      right: Uint8Array.from(kept, (detection) => right[detection] as number),
      precision: new Float64Array(hits),
      gained: new Float64Array(hits),
    };
  }
}

/** Under the precision envelope. Precision only matters where recall grows: it falls from there to the next hit. */
function areaUnder({ places, right, precision, gained }: Ranking, objects: number, weights: Uint32Array): number {
  let [hits, all, found] = [0, 0, 0];
  for (let rank = 0; rank < places.length; rank++) {
    const weight = weights[places[rank] as number] as number;
    all += weight;
    if (right[rank] === 0 || weight === 0) continue;
    hits += weight;
    precision[found] = hits / all;
    gained[found++] = weight / objects;
  }
  let [area, envelope] = [0, 0];
  for (let hit = found - 1; hit >= 0; hit--) {
    envelope = Math.max(envelope, precision[hit] as number);
    area += envelope * (gained[hit] as number);
  }
  return area;
}
