// Mean average precision of a centre heat map at a centre distance (as nuScenes, Caesar et al. 2020): a detection is right
// when it is closer than `distance` pixels to a true centre of its class that no better detection has taken.
// AP is the area under the precision envelope at all recalls; the mean is over classes that occur in the truth.
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import { MetricError, meanOf, requireFinite } from './metric.ts';
import type { MetricResult } from './metric.ts';
import { findPeaks } from './peaks.ts';

export interface CentreMapSettings {
  readonly classes: readonly string[];
  /** Input pixels per cell; a cell's centre is at (x + 0.5) · stride. */
  readonly stride: number;
  /** Greatest distance in input pixels, exclusive. */
  readonly distance: number;
  /** Most detections of one image, the best first; 64 where it is left out. */
  readonly most?: number;
}

/** A true object: class and centre in input pixels. */
export interface Centre {
  readonly label: number;
  readonly x: number;
  readonly y: number;
}

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

const defaultMost = 64;

/** Collects batches of heat maps; `finish` gives `mAP` as a fraction, and per class. */
export class CentreMapPrecision {
  private readonly settings: CentreMapSettings;
  private readonly images: number[] = [];
  private readonly truths: number[] = [];
  private readonly found: { place: number[]; label: number[]; logit: number[]; right: number[] } = {
    place: [],
    label: [],
    logit: [],
    right: [],
  };

  constructor(settings: CentreMapSettings) {
    this.settings = settings;
  }

  /**
   * `logits` [B, classes, H/stride, W/stride] before the sigmoid; `truths` has the objects of each image of the batch.
   * Only the first `valid` images count. @throws MetricError on values that are not finite.
   */
  add(
    logits: FloatTensor,
    truths: readonly (readonly Centre[])[],
    images: ArrayLike<number>,
    valid: number = images.length,
  ): void {
    const { classes, most = defaultMost } = this.settings;
    const [, channels, rows, columns] = logits.shape as readonly [number, number, number, number];
    if (channels !== classes.length) throw new MetricError(`${channels} maps for ${classes.length} classes`);
    const each = channels * rows * columns;
    requireFinite(logits.data, each, images, valid);
    for (let index = 0; index < valid; index++) {
      const place = this.images.length;
      this.images.push(images[index] as number);
      const objects = truths[index] ?? [];
      this.truths.push(...classes.map((_, label) => objects.filter((object) => object.label === label).length));
      const taken = new Set<Centre>();
      for (const peak of findPeaks(
        logits.data.subarray(index * each, (index + 1) * each),
        channels,
        rows,
        columns,
        most,
      )) {
        const match = this.nearest(peak.label, peak.cell, columns, objects, taken);
        if (match !== undefined) taken.add(match);
        this.found.place.push(place);
        this.found.label.push(peak.label);
        this.found.logit.push(peak.logit);
        this.found.right.push(match === undefined ? 0 : 1);
      }
    }
  }

  finish(): MetricResult {
    const { classes } = this.settings;
    const statistics: DetectionStatistics = {
      kind: 'centre-map',
      classes,
      images: this.images,
      truths: this.truths,
      ...this.found,
    };
    const computed = new AveragePrecision(statistics).of();
    return {
      primary: 'mAP',
      ...computed,
      count: this.images.length,
      perImage: statistics as DetectionStatistics & JsonObject,
    };
  }

  /** The nearest free object of the class, the first of equally near ones. */
  private nearest(
    label: number,
    cell: number,
    columns: number,
    objects: readonly Centre[],
    taken: ReadonlySet<Centre>,
  ): Centre | undefined {
    const { stride, distance } = this.settings;
    const [x, y] = [((cell % columns) + 0.5) * stride, (Math.floor(cell / columns) + 0.5) * stride];
    let best: Centre | undefined;
    let least = distance * distance;
    for (const object of objects) {
      if (object.label !== label || taken.has(object)) continue;
      const squared = (object.x - x) ** 2 + (object.y - y) ** 2;
      if (squared < least) [best, least] = [object, squared];
    }
    return best;
  }
}

/** Sorts once, so that a bootstrap can ask for many weightings. */
export class AveragePrecision {
  private readonly statistics: DetectionStatistics;
  /** Per class: detections by (score descending, image, order within the image). */
  private readonly orders: readonly (readonly number[])[];

  constructor(statistics: DetectionStatistics) {
    this.statistics = statistics;
    const { classes, label } = statistics;
    const byClass: number[][] = classes.map(() => []);
    for (const [detection, of] of label.entries()) byClass[of]?.push(detection);
    this.orders = byClass.map((order) => order.sort((left, right) => this.compare(left, right)));
  }

  /** `weights` says how often each image counts (once, where it is left out). */
  of(weights?: ArrayLike<number>): Pick<MetricResult, 'values' | 'perClass'> {
    const { classes, images, truths } = this.statistics;
    const perClass: { [name: string]: number } = {};
    for (const [label, name] of classes.entries()) {
      let objects = 0;
      for (let image = 0; image < images.length; image++) {
        objects += (weights?.[image] ?? 1) * (truths[image * classes.length + label] as number);
      }
      if (objects > 0) perClass[name] = this.areaOf(this.orders[label] ?? [], objects, weights);
    }
    return { values: { mAP: meanOf(Object.values(perClass)) }, perClass };
  }

  private compare(left: number, right: number): number {
    const { images, place, logit } = this.statistics;
    const imageOf = (detection: number): number => images[place[detection] as number] as number;
    return (logit[right] as number) - (logit[left] as number) || imageOf(left) - imageOf(right) || left - right;
  }

  private areaOf(order: readonly number[], objects: number, weights: ArrayLike<number> | undefined): number {
    const { place, right } = this.statistics;
    const precision: number[] = [];
    const gained: number[] = [];
    let [hits, all] = [0, 0];
    for (const detection of order) {
      const weight = weights?.[place[detection] as number] ?? 1;
      const hit = weight * (right[detection] as number);
      hits += hit;
      all += weight;
      gained.push(hit / objects);
      precision.push(all > 0 ? hits / all : 0);
    }
    let [area, envelope] = [0, 0];
    for (let at = order.length - 1; at >= 0; at--) {
      envelope = Math.max(envelope, precision[at] as number);
      area += envelope * (gained[at] as number);
    }
    return area;
  }
}
