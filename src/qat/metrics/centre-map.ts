// Mean average precision of a centre heat map at a centre distance (as nuScenes, Caesar et al. 2020): a detection is right
// when it is closer than `distance` pixels to a true centre of its class that no better detection has taken.
// AP is the area under the precision envelope at all recalls; the mean is over classes that occur in the truth, and over the
// distances where there are several. Precision, recall and F1 are those of detections from a score on, at the first distance.
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import { AveragePrecision } from './average-precision.ts';
import type { Detections } from './average-precision.ts';
import { columns as rateColumns, ratesOf } from './confusion.ts';
import { FORM_REMEDY, fractions, meanOf, MetricError, requireFinite } from './metric.ts';
import type { ByName, MetricResult, MetricValues } from './metric.ts';
import { findPeaks } from './peaks.ts';
import type { Peak } from './peaks.ts';

export interface CentreMapSettings {
  readonly classes: readonly string[];
  /** Input pixels per cell; a cell's centre is at (x + 0.5) · stride. */
  readonly stride: number;
  /** Greatest distances in input pixels, exclusive; one or more. */
  readonly distances: readonly number[];
  /** From 0 to 1: what precision, recall and F1 take for a detection; without it they are left out. */
  readonly score?: number;
  /** `mAP` where it is left out. */
  readonly primary?: string;
  /** Most detections of one image, the best first; 64 where it is left out. */
  readonly most?: number;
}

/** A true object: class and centre in input pixels. */
export interface Centre {
  readonly label: number;
  readonly x: number;
  readonly y: number;
}

export interface DetectionStatistics extends Detections {
  readonly kind: 'centre-map';
  readonly distances: readonly number[];
  /** [distances × detections]: 1 where the detection is right. */
  readonly right: readonly (readonly number[])[];
}

const defaultMost = 64;

/** Collects batches of heat maps; `finish` gives `mAP` as a fraction, with several distances `mAP@<distance>` too. */
export class CentreMapPrecision {
  private readonly settings: CentreMapSettings;
  private readonly images: number[] = [];
  private readonly truths: number[] = [];
  private readonly found: { place: number[]; label: number[]; logit: number[] } = { place: [], label: [], logit: [] };
  private readonly right: readonly number[][];

  constructor(settings: CentreMapSettings) {
    this.settings = settings;
    this.right = settings.distances.map(() => []);
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
    const { classes, distances, most = defaultMost } = this.settings;
    const [, channels, rows, columns] = logits.shape as readonly [number, number, number, number];
    if (channels !== classes.length)
      throw new MetricError(`${channels} maps for ${classes.length} classes`, FORM_REMEDY);
    const each = channels * rows * columns;
    requireFinite(logits.data, each, images, valid);
    for (let index = 0; index < valid; index++) {
      const place = this.images.length;
      this.images.push(images[index] as number);
      const objects = truths[index] ?? [];
      this.truths.push(...classes.map((_, label) => objects.filter((object) => object.label === label).length));
      const taken = distances.map(() => new Set<Centre>());
      for (const peak of findPeaks(
        logits.data.subarray(index * each, (index + 1) * each),
        channels,
        rows,
        columns,
        most,
      )) {
        this.found.place.push(place);
        this.found.label.push(peak.label);
        this.found.logit.push(peak.logit);
        for (const [at, distance] of distances.entries()) {
          const match = this.nearest(peak, columns, objects, taken[at] as Set<Centre>, distance);
          if (match !== undefined) taken[at]?.add(match);
          this.right[at]?.push(match === undefined ? 0 : 1);
        }
      }
    }
  }

  finish(): MetricResult {
    const { classes, distances, score, primary = 'mAP' } = this.settings;
    const { images, truths, right } = this;
    const statistics: DetectionStatistics = {
      kind: 'centre-map',
      classes,
      distances,
      images,
      truths,
      ...this.found,
      right,
    };
    const precisions = right.map((of) => new AveragePrecision(statistics, of));
    const counts = score === undefined ? undefined : countsFrom(statistics, Math.log(score / (1 - score)));
    const valuesOf = (weights?: Uint32Array): MetricValues => {
      const averages = averagesOf(
        distances,
        precisions.map((precision) => precision.of(weights)),
      );
      if (counts === undefined) return averages;
      const { values, classes: byClass } = ratesOf({ classes, images: images.length, counts }, weights);
      const { precision, recall, f1 } = values;
      const { accuracy: _, iou: __, ...rates } = byClass;
      return { values: { ...averages.values, precision, recall, f1 }, classes: { ...averages.classes, ...rates } };
    };
    const measured = valuesOf();
    return {
      primary,
      ...measured,
      ...fractions(measured),
      count: images.length,
      reweighted: valuesOf,
      perImage: statistics as DetectionStatistics & JsonObject,
    };
  }

  /** The nearest free object of the class, the first of equally near ones. */
  private nearest(
    { label, cell }: Peak,
    columns: number,
    objects: readonly Centre[],
    taken: ReadonlySet<Centre>,
    distance: number,
  ): Centre | undefined {
    const { stride } = this.settings;
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

/** @param perDistance AP by class at each distance: the same classes, since the truth says which occur. */
function averagesOf(distances: readonly number[], perDistance: readonly ByName<number>[]): MetricValues {
  const names = Object.keys(perDistance[0] ?? {});
  const perClass = Object.fromEntries(names.map((name) => [name, meanOf(perDistance.map((of) => of[name] as number))]));
  const [values, classes]: [{ [metric: string]: number }, { [metric: string]: ByName<number> }] = [
    { mAP: meanOf(Object.values(perClass)) },
    { mAP: perClass },
  ];
  for (const [at, distance] of distances.length > 1 ? distances.entries() : []) {
    const of = perDistance[at] ?? {};
    values[`mAP@${distance}`] = meanOf(Object.values(of));
    classes[`mAP@${distance}`] = of;
  }
  return { values, classes };
}

/** Per image and class: right detections, detections, true objects. */
function countsFrom({ classes, truths, place, label, logit, right }: DetectionStatistics, least: number): Float64Array {
  const counts = new Float64Array(truths.length * rateColumns);
  for (const [at, count] of truths.entries()) counts[at * rateColumns + 2] = count;
  for (const [detection, score] of logit.entries()) {
    if (score < least) continue;
    const first = ((place[detection] as number) * classes.length + (label[detection] as number)) * rateColumns;
    counts[first] = (counts[first] as number) + (right[0]?.[detection] as number);
    counts[first + 1] = (counts[first + 1] as number) + 1;
  }
  return counts;
}
