// Accuracy, top k and the rates per class, against scikit-learn and by hand.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Classification } from '../../src/qat/metrics/classification.ts';
import type { ClassificationSettings } from '../../src/qat/metrics/classification.ts';
import type { MetricResult } from '../../src/qat/metrics/metric.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { Tensor } from '../../src/support/tensor.ts';

interface Case {
  readonly classes: number;
  readonly images: number;
  readonly scores: readonly number[];
  readonly targets: readonly number[];
  readonly accuracy: number;
  readonly top: { readonly [k: string]: number };
  readonly rates: {
    readonly [name: string]: { readonly value: number; readonly perClass: readonly (number | null)[] };
  };
}

const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as {
  classification: readonly Case[];
};
/** Sums of a few quotients in another order. */
const tolerance = 12;
const settings: ClassificationSettings = { classes: ['a', 'b', 'c'], topK: [1, 2] };

const labels = (...data: readonly number[]): Tensor => ({
  dtype: 'int32',
  shape: [data.length],
  data: Int32Array.from(data),
});

/** @param scores three for each image. */
function measured(scores: readonly number[], targets: Tensor): MetricResult {
  const metric = new Classification(settings);
  const images = Array.from({ length: scores.length / 3 }, (_, image) => image);
  metric.add(floatTensor([images.length, 3], Float32Array.from(scores)), targets, images);
  return metric.finish();
}

describe('classification', () => {
  it.each(golden.classification)('agrees with scikit-learn on $images images, however they are batched', (entry) => {
    const { classes, images } = entry;
    const names = Array.from({ length: classes }, (_, index) => `c${index}`);
    const metric = new Classification({ classes: names, topK: Object.keys(entry.top).map(Number) });
    const batch = 7;
    for (let start = 0; start < images; start += batch) {
      const list = Array.from({ length: batch }, (_, place) => Math.min(images - 1, start + place));
      const scores = list.flatMap((image) => entry.scores.slice(image * classes, (image + 1) * classes));
      const targets = labels(...list.map((image) => entry.targets[image] as number));
      metric.add(
        floatTensor([batch, classes], Float32Array.from(scores)),
        targets,
        list,
        Math.min(batch, images - start),
      );
    }
    const { primary, values, classes: byClass } = metric.finish();
    expect(primary).toBe('accuracy');
    expect(values['accuracy']).toBeCloseTo(entry.accuracy, tolerance);
    for (const [k, value] of Object.entries(entry.top)) expect(values[`top${k}`]).toBeCloseTo(value, tolerance);
    for (const [rate, { value, perClass }] of Object.entries(entry.rates)) {
      expect(values[rate], rate).toBeCloseTo(value, tolerance);
      for (const [index, name] of names.entries()) {
        const expected = perClass[index] ?? null;
        if (expected === null) expect(byClass[rate]?.[name], rate).toBeUndefined();
        else expect(byClass[rate]?.[name], rate).toBeCloseTo(expected, tolerance);
      }
    }
  });

  it('gives the lowest class to equal scores, in first place and in every other', () => {
    const { values } = measured([1, 1, 0, 0, 1, 1, 0, 0, 0], labels(0, 2, 1));
    expect(values).toMatchObject({ accuracy: 1 / 3, top1: 1 / 3, top2: 1 });
  });

  it('measures the five best where there are more classes and nothing else is said', () => {
    const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `c${index}`);
    const values = (count: number): readonly string[] =>
      Object.keys(new Classification({ classes: names(count) }).finish().values);
    expect(values(6)).toContain('top5');
    expect(values(5)).toEqual(['accuracy', 'precision', 'recall', 'f1']);
  });

  it('is NaN, not zero, when nothing was measured', () => {
    expect(new Classification(settings).finish().values).toMatchObject({ accuracy: NaN, top2: NaN, f1: NaN });
  });

  it('refuses outputs that are not finite and classes that are not there, naming the image', () => {
    const metric = new Classification(settings);
    const scores = floatTensor([1, 3], Float32Array.of(0, Number.NaN, 0));
    expect(() => metric.add(scores, labels(0), [41])).toThrow('image 41 holds NaN at position 1');
    const sound = floatTensor([1, 3], Float32Array.of(0, 1, 0));
    expect(() => metric.add(sound, labels(3), [42])).toThrow('image 42 is of class 3');
    expect(() => metric.add(floatTensor([1, 2], Float32Array.of(0, 1)), labels(0), [43])).toThrow('are not 3 scores');
  });
});
