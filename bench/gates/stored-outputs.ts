// What validations kept of every image (`details`), as a pool that images are drawn from: each draw names a model and an image,
// and the metric of the draw, with its replicates, is computed by the program's own code.
import { AveragePrecision } from '../../src/qat/metrics/average-precision.ts';
import type { DetectionStatistics } from '../../src/qat/metrics/centre-map.ts';
import { columns, ratesOf } from '../../src/qat/metrics/confusion.ts';
import type { IouStatistics } from '../../src/qat/metrics/mean-iou.ts';
import { fractions, meanOf, type MetricResult, type MetricValues } from '../../src/qat/metrics/metric.ts';

export type Statistics = DetectionStatistics | IouStatistics;

/** One image with the outputs of one of the pool's models. */
export interface Pick {
  readonly model: number;
  readonly image: number;
}

export interface Pool {
  readonly images: number;
  /** The metric over images in this order; an image may occur again. */
  over(picks: readonly Pick[]): MetricResult;
}

/** @param models the same images in the same order, measured with different models. */
export function poolOf(models: readonly Statistics[]): Pool {
  const detections = models.filter((one) => one.kind === 'centre-map');
  return detections.length > 0
    ? detectionPool(detections)
    : segmentationPool(models.filter((one) => one.kind === 'mean-iou'));
}

function detectionPool(models: readonly DetectionStatistics[]): Pool {
  const { classes, images, distances } = first(models);
  const starts = models.map(({ place }) => startsOf(place, images.length));
  const { ranked, ranks } = rankedDetections(models);
  return {
    images: images.length,
    over: (picks) => {
      const truths: number[] = [];
      const found: number[] = [];
      for (const [at, { model, image }] of picks.entries()) {
        const from = models[model] as DetectionStatistics;
        for (let of = 0; of < classes.length; of++) truths.push(from.truths[image * classes.length + of] as number);
        const [start, end] = [starts[model]?.[image], starts[model]?.[image + 1]] as [number, number];
        for (let detection = start; detection < end; detection++)
          found.push((ranks[model]?.[detection] as number) * picks.length + at);
      }
      const order = Float64Array.from(found).sort();
      const place = Array.from(order, (code) => code % picks.length);
      const sources = Array.from(order, (code) => ranked[Math.floor(code / picks.length)] as Detection);
      const [label, logit, right] = [
        sources.map((one) => one.label),
        sources.map((one) => one.logit),
        sources.map((one) => one.right),
      ];
      const drawn = { classes, images: picks.map((_, at) => at), truths, place, label, logit, distances };
      const precision = new AveragePrecision(drawn, right);
      return resultOf('mAP', picks.length, (weights) => ({
        values: { mAP: meanOf(Object.values(precision.of(weights))) },
        classes: {},
      }));
    },
  };
}

interface Detection {
  readonly model: number;
  readonly at: number;
  readonly label: number;
  readonly logit: number;
  readonly right: number;
}

/** All models' detections by falling score: a draw that is handed on in this order is hardly sorted again. */
function rankedDetections(models: readonly DetectionStatistics[]) {
  const ranked = models.flatMap(({ label, logit, right }, model) =>
    logit.map((score, at): Detection => ({
      model,
      at,
      label: label[at] as number,
      logit: score,
      right: right[0]?.[at] as number,
    })),
  );
  ranked.sort((one, other) => other.logit - one.logit);
  const ranks = models.map(({ logit }) => new Uint32Array(logit.length));
  for (const [rank, { model, at }] of ranked.entries()) (ranks[model] as Uint32Array)[at] = rank;
  return { ranked, ranks };
}

function segmentationPool(models: readonly IouStatistics[]): Pool {
  const { classes, images } = first(models);
  const each = classes.length * columns;
  const pixels = models.map((model) => Float64Array.from(model.pixels));
  return {
    images: images.length,
    over: (picks) => {
      const counts = new Float64Array(picks.length * each);
      for (const [at, { model, image }] of picks.entries())
        counts.set((pixels[model] as Float64Array).subarray(image * each, (image + 1) * each), at * each);
      const drawn = { classes, images: picks.length, counts };
      return resultOf('mIoU', picks.length, (weights) => ({
        values: { mIoU: ratesOf(drawn, weights).values.iou },
        classes: {},
      }));
    },
  };
}

function resultOf(primary: string, count: number, reweighted: (weights?: Uint32Array) => MetricValues): MetricResult {
  const measured = reweighted();
  return { primary, ...measured, ...fractions(measured), count, reweighted, perImage: {} };
}

/** Image → its first detection; detections are in the order of the images. */
function startsOf(place: readonly number[], images: number): Uint32Array {
  const starts = new Uint32Array(images + 1);
  for (const image of place) starts[image + 1] = (starts[image + 1] as number) + 1;
  for (let image = 0; image < images; image++)
    starts[image + 1] = (starts[image + 1] as number) + (starts[image] as number);
  return starts;
}

function first<T>(models: readonly T[]): T {
  const [one] = models;
  if (one === undefined) throw new Error('a pool needs a model');
  return one;
}
