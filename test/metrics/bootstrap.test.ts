// Replicates against the metric's own code: each one must be what the metric gives for the resampled list of images.
import { describe, expect, it } from 'vitest';
import { bootstrapReplicates, drawWeights } from '../../src/qat/metrics/bootstrap.ts';
import type { BootstrapSettings } from '../../src/qat/metrics/bootstrap.ts';
import { Classification } from '../../src/qat/metrics/classification.ts';
import { CentreMapPrecision } from '../../src/qat/metrics/centre-map.ts';
import type { Centre } from '../../src/qat/metrics/centre-map.ts';
import { MeanIou } from '../../src/qat/metrics/mean-iou.ts';
import type { MetricResult } from '../../src/qat/metrics/metric.ts';
import { Regression } from '../../src/qat/metrics/regression.ts';
import { Random } from '../../src/support/random.ts';
import { floatTensor } from '../../src/support/tensor.ts';

const images = 23;
const classes = ['road', 'car', 'sign'];
const size = 8;
const plane = size * size;
/** Sums of the same quotients in another order. */
const tolerance = 12;

const random = new Random(5);
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.normal());
const every = Array.from({ length: images }, (_, image) => image);
const logits = every.map(() => numbers(classes.length * plane));
const masks = every.map(() =>
  Int32Array.from({ length: plane }, () => (random.uniform() < 0.1 ? 255 : random.below(3))),
);
/** A sign in two images only, so that some samples hold none. */
const centres = every.map((image): readonly Centre[] =>
  [0, 1, 0, 1, ...(image < 2 ? [2] : [])].map((label) => ({
    label,
    x: random.uniform() * size * 4,
    y: random.uniform() * size * 4,
  })),
);

/** A sign in two images only. */
const labels = every.map((image) => (image < 2 ? 2 : image % 2));

/** The metric over any list of images, an image as often as it is listed. */
function meanIou(list: readonly number[]): MetricResult {
  const metric = new MeanIou({ classes, ignore: 255, also: ['precision', 'recall'], primary: 'f1' });
  for (const image of list) {
    const shape = [1, classes.length, size, size];
    const target = { dtype: 'int32', shape: [1, size, size], data: masks[image] as Int32Array } as const;
    metric.add(floatTensor(shape, logits[image] as Float32Array), target, [image]);
  }
  return metric.finish();
}

function centreMap(list: readonly number[]): MetricResult {
  const metric = new CentreMapPrecision({ classes, stride: 4, distances: [6, 12], score: 0.6 });
  for (const image of list) {
    const shape = [1, classes.length, size, size];
    metric.add(floatTensor(shape, logits[image] as Float32Array), [centres[image] as readonly Centre[]], [image]);
  }
  return metric.finish();
}

function classification(list: readonly number[]): MetricResult {
  const metric = new Classification({ classes, topK: [2] });
  for (const image of list) {
    const scores = (logits[image] as Float32Array).slice(0, classes.length);
    const target = { dtype: 'int32', shape: [1], data: Int32Array.of(labels[image] as number) } as const;
    metric.add(floatTensor([1, classes.length], scores), target, [image]);
  }
  return metric.finish();
}

function regression(list: readonly number[]): MetricResult {
  const metric = new Regression({ channels: classes });
  const shape = [1, classes.length, size, size];
  for (const image of list) {
    const target = floatTensor(shape, logits[(image + 1) % images] as Float32Array);
    metric.add(floatTensor(shape, logits[image] as Float32Array), target, [image]);
  }
  return metric.finish();
}

function listed(weights: Uint32Array): readonly number[] {
  return every.flatMap((image) => Array.from({ length: weights[image] as number }, () => image));
}

describe.each([
  ['mean IoU', meanIou, ['mIoU', 'pixelAccuracy', 'precision', 'recall', 'f1']],
  ['average precision', centreMap, ['mAP', 'mAP@6', 'mAP@12', 'precision', 'recall', 'f1']],
  ['classification', classification, ['accuracy', 'top2', 'precision', 'recall', 'f1']],
  ['regression', regression, ['rmse', 'mae']],
] as const)('replicates of %s', (_name, metric, names) => {
  it.each([1, 5])('are the metric over the images drawn, in blocks of %d', (block) => {
    const settings: BootstrapSettings = { count: 60, seed: 3, block };
    const { values, classes: byClass } = bootstrapReplicates(metric(every), settings);
    expect(Object.keys(values)).toEqual(names);
    expect(Object.keys(byClass)).toEqual(names.filter((name) => !name.startsWith('top')));
    for (let replicate = 0; replicate < settings.count; replicate++) {
      const again = metric(listed(drawWeights(images, settings, replicate)));
      for (const name of names) expect(values[name]?.[replicate]).toBeCloseTo(again.values[name] as number, tolerance);
      for (const [rate, of] of Object.entries(byClass)) {
        for (const [name, series] of Object.entries(of)) {
          const expected = again.classes[rate]?.[name];
          if (expected === undefined) expect(series[replicate]).toBeNull();
          else expect(series[replicate]).toBeCloseTo(expected, tolerance);
        }
      }
    }
  });

  it('vary', () => {
    const { values } = bootstrapReplicates(metric(every), { count: 20, seed: 0, block: 1 });
    expect(new Set(values[names.at(-1) ?? '']).size).toBeGreaterThan(10);
  });
});

it('a class that a sample holds nothing of has no value there', () => {
  const { mAP } = bootstrapReplicates(centreMap(every), { count: 200, seed: 0, block: 1 }).classes;
  expect(mAP?.['sign']).toContain(null);
  expect(mAP?.['car']).not.toContain(null);
});

it('a metric of nothing has no value at all', () => {
  const { values } = bootstrapReplicates(new CentreMapPrecision({ classes, stride: 4, distances: [6] }).finish(), {
    count: 2,
    seed: 0,
    block: 1,
  });
  expect(values).toEqual({ mAP: [null, null] });
});

describe('what is drawn', () => {
  const settings = { seed: 0, block: 1 };

  it('is as many images as there are, with repetitions', () => {
    const weights = drawWeights(1000, settings, 0);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(1000);
    // 1/e of the images are left out on average; 1000 draws put 8 standard deviations at 0.1.
    expect(weights.filter((weight) => weight === 0).length / 1000).toBeCloseTo(Math.exp(-1), 1);
  });

  it('depends on seed, replicate, block and number of images', () => {
    const first = drawWeights(50, settings, 0);
    expect(drawWeights(50, settings, 0)).toEqual(first);
    expect(drawWeights(50, settings, 1)).not.toEqual(first);
    expect(drawWeights(50, { ...settings, seed: 1 }, 0)).not.toEqual(first);
    expect(drawWeights(50, { ...settings, block: 2 }, 0)).not.toEqual(first);
  });

  it('comes in blocks of neighbours, the last one cut so that the number is kept', () => {
    const weights = drawWeights(10, { seed: 4, block: 4 }, 0);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(10);
    expect(drawWeights(10, { seed: 4, block: 10 }, 3)).toEqual(new Uint32Array(10).fill(1));
    expect(drawWeights(10, { seed: 4, block: 99 }, 3)).toEqual(new Uint32Array(10).fill(1));
  });
});
