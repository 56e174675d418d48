import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MeanIou, iouOf } from '../../src/qat/metrics/mean-iou.ts';
import type { IouStatistics } from '../../src/qat/metrics/mean-iou.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../src/support/tensor.ts';

interface Case {
  readonly shape: readonly [number, number, number, number];
  readonly ignore: number;
  readonly logits: readonly number[];
  readonly targets: readonly number[];
  readonly perClass: readonly (number | null)[];
  readonly mIoU: number;
  readonly pixelAccuracy: number;
  readonly rates: {
    readonly [name: string]: { readonly value: number; readonly perClass: readonly (number | null)[] };
  };
}

const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as {
  iou: readonly Case[];
};
/** Sums of a few quotients in another order. */
const tolerance = 12;

/** Logits of 1 for the wanted class of each pixel of a 1×n image. */
function predicted(classes: number, pixels: readonly number[]): FloatTensor {
  const data = new Float32Array(classes * pixels.length);
  for (const [at, label] of pixels.entries()) data[label * pixels.length + at] = 1;
  return floatTensor([1, classes, 1, pixels.length], data);
}

const target = (pixels: readonly number[]): Tensor => ({
  dtype: 'int32',
  shape: [1, 1, pixels.length],
  data: Int32Array.from(pixels),
});

describe('mean IoU', () => {
  it('is intersection over union per class over all images, then the mean', () => {
    const metric = new MeanIou({ classes: ['a', 'b', 'c'], ignore: 255 });
    metric.add(predicted(3, [0, 0, 1, 1]), target([0, 1, 1, 1]), [0]);
    metric.add(predicted(3, [0, 2, 2, 2]), target([0, 2, 2, 0]), [1]);
    // a: both 2, predicted 3, target 3; b: 2, 2, 3; c: 2, 3, 2.
    const { values, classes, count } = metric.finish();
    expect(classes['mIoU']).toEqual({ a: 2 / 4, b: 2 / 3, c: 2 / 3 });
    expect(values['mIoU']).toBeCloseTo((0.5 + 2 / 3 + 2 / 3) / 3, tolerance);
    expect(values['pixelAccuracy']).toBe(6 / 8);
    expect(count).toBe(2);
  });

  it('leaves out of the mean a class that is neither predicted nor there, and keeps one that is only predicted', () => {
    const metric = new MeanIou({ classes: ['a', 'b', 'c'], ignore: 255 });
    metric.add(predicted(3, [0, 1]), target([0, 0]), [0]);
    expect(metric.finish()).toMatchObject({ classes: { mIoU: { a: 0.5, b: 0 } }, values: { mIoU: 0.25 } });
  });

  it('gives the share of right pixels per class, of the classes that are there', () => {
    const metric = new MeanIou({ classes: ['a', 'b', 'c'], ignore: 255, primary: 'pixelAccuracy' });
    metric.add(predicted(3, [0, 1, 0, 2]), target([0, 0, 1, 0]), [0]);
    const { primary, values, classes } = metric.finish();
    expect(primary).toBe('pixelAccuracy');
    expect(values['pixelAccuracy']).toBe(1 / 4);
    expect(classes['pixelAccuracy']).toEqual({ a: 1 / 3, b: 0 });
  });

  it('counts ignored pixels nowhere', () => {
    const metric = new MeanIou({ classes: ['a', 'b'], ignore: 7 });
    metric.add(predicted(2, [0, 1, 1]), target([0, 7, 7]), [0]);
    expect(metric.finish().classes['mIoU']).toEqual({ a: 1 });
  });

  it('gives the lowest class to equal logits', () => {
    const metric = new MeanIou({ classes: ['a', 'b'], ignore: 255 });
    metric.add(floatTensor([1, 2, 1, 1], Float32Array.of(0.5, 0.5)), target([0]), [0]);
    expect(metric.finish().values['mIoU']).toBe(1);
  });

  it('is NaN, not zero, when nothing was measured', () => {
    expect(new MeanIou({ classes: ['a'], ignore: 255 }).finish().values['mIoU']).toBeNaN();
  });

  it('refuses outputs that are not finite and targets outside the classes, naming the image', () => {
    const metric = new MeanIou({ classes: ['a', 'b'], ignore: 255 });
    const broken = floatTensor([1, 2, 1, 1], Float32Array.of(0, Number.NaN));
    expect(() => metric.add(broken, target([0]), [41])).toThrow('image 41 holds NaN at position 1');
    expect(() => metric.add(predicted(2, [0]), target([2]), [42])).toThrow('image 42 has a pixel of class 2');
    expect(() => metric.add(predicted(3, [0]), target([0]), [43])).toThrow('are not 2 classes over one grid');
  });

  it.each(golden.iou)('agrees with an independent implementation (mIoU $mIoU), however it is batched', (entry) => {
    const [images, classes, rows, columns] = entry.shape;
    const names = Array.from({ length: classes }, (_, index) => `c${index}`);
    const metric = new MeanIou({ classes: names, ignore: entry.ignore, also: ['precision', 'recall', 'f1'] });
    const batch = 2;
    for (let start = 0; start < images; start += batch) {
      const indices = Array.from({ length: batch }, (_, place) => Math.min(images - 1, start + place));
      const logits = indices.flatMap((image) =>
        entry.logits.slice(image * classes * rows * columns, (image + 1) * classes * rows * columns),
      );
      const targets = indices.flatMap((image) =>
        entry.targets.slice(image * rows * columns, (image + 1) * rows * columns),
      );
      metric.add(
        floatTensor([batch, classes, rows, columns], Float32Array.from(logits)),
        { dtype: 'int32', shape: [batch, rows, columns], data: Int32Array.from(targets) },
        indices,
        Math.min(batch, images - start),
      );
    }
    const { values, classes: byClass } = metric.finish();
    const expected = { ...entry.rates, mIoU: { value: entry.mIoU, perClass: entry.perClass } };
    expect(values['pixelAccuracy']).toBeCloseTo(entry.pixelAccuracy, tolerance);
    for (const [rate, { value, perClass }] of Object.entries(expected)) {
      expect(values[rate], rate).toBeCloseTo(value, tolerance);
      for (const [index, name] of names.entries()) {
        const of = perClass[index] ?? null;
        if (of === null) expect(byClass[rate]?.[name], rate).toBeUndefined();
        else expect(byClass[rate]?.[name], rate).toBeCloseTo(of, tolerance);
      }
    }
  });

  it('can be computed again over a weighted choice of the images', () => {
    const both = new MeanIou({ classes: ['a', 'b'], ignore: 255 });
    both.add(predicted(2, [0, 1, 1]), target([0, 0, 1]), [0]);
    both.add(predicted(2, [1, 1, 0]), target([0, 1, 1]), [1]);
    const twice = new MeanIou({ classes: ['a', 'b'], ignore: 255 });
    twice.add(predicted(2, [1, 1, 0]), target([0, 1, 1]), [1]);
    twice.add(predicted(2, [1, 1, 0]), target([0, 1, 1]), [1]);
    const statistics = both.finish().perImage as unknown;
    expect(iouOf(statistics as IouStatistics, Uint32Array.of(0, 2)).values).toEqual(twice.finish().values);
  });
});
