// Mean average precision of a centre heat map at a centre distance (as nuScenes, Caesar et al. 2020): a detection is right
// when it is closer than `distance` pixels to a true centre of its class that no better detection has taken.
// AP is the area under the precision envelope at all recalls; the mean is over classes that occur in the truth.
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import { AveragePrecision } from './average-precision.ts';
import type { DetectionStatistics } from './average-precision.ts';
import { MetricError, requireFinite } from './metric.ts';
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
    const precision = new AveragePrecision(statistics);
    return {
      primary: 'mAP',
      ...precision.of(),
      count: this.images.length,
      reweighted: (weights) => precision.of(weights),
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
