// Average precision of detections that are known to be right or wrong, for any weighting of the images: sorted once, so that
// a bootstrap can ask hundreds of times.
import type { ByName } from './metric.ts';

export interface Detections {
  readonly classes: readonly string[];
  readonly images: readonly number[];
  /** [images × classes]: true objects. */
  readonly truths: readonly number[];
  /** All detections in the order they were added; `place` points into `images`. */
  readonly place: readonly number[];
  readonly label: readonly number[];
  readonly logit: readonly number[];
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
  private readonly detections: Detections;
  private readonly rankings: readonly Ranking[];

  /** @param right by detection: 1 where it is right. */
  constructor(detections: Detections, right: readonly number[]) {
    this.detections = detections;
    const { classes, label } = detections;
    const byClass: number[][] = classes.map(() => []);
    for (const [detection, of] of label.entries()) byClass[of]?.push(detection);
    this.rankings = byClass.map((order) =>
      this.ranking(
        order.sort((one, other) => this.compare(one, other)),
        right,
      ),
    );
  }

  /** `weights` says how often each image counts (once, where it is left out). @returns AP of each class that occurs. */
  of(weights?: Uint32Array): ByName<number> {
    const { classes, images, truths } = this.detections;
    const once = weights ?? new Uint32Array(images.length).fill(1);
    const perClass: { [name: string]: number } = {};
    for (const [label, name] of classes.entries()) {
      let objects = 0;
      for (let image = 0; image < images.length; image++) {
        objects += (once[image] as number) * (truths[image * classes.length + label] as number);
      }
      if (objects > 0) perClass[name] = areaUnder(this.rankings[label] as Ranking, objects, once);
    }
    return perClass;
  }

  private compare(one: number, other: number): number {
    const { images, place, logit } = this.detections;
    const imageOf = (detection: number): number => images[place[detection] as number] as number;
    return (logit[other] as number) - (logit[one] as number) || imageOf(one) - imageOf(other) || one - other;
  }

  /** After the last right detection recall grows no more, so nothing behind it adds to the area. */
  private ranking(order: readonly number[], right: readonly number[]): Ranking {
    const { place } = this.detections;
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
