import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CentreMapPrecision } from '../../src/qat/metrics/centre-map.ts';
import type { Centre, CentreMapSettings } from '../../src/qat/metrics/centre-map.ts';
import type { MetricResult } from '../../src/qat/metrics/metric.ts';
import { findPeaks } from '../../src/qat/metrics/peaks.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { FloatTensor } from '../../src/support/tensor.ts';

interface Case {
  readonly shape: readonly [number, number, number, number];
  readonly stride: number;
  readonly distance: number;
  readonly most: number;
  readonly logits: readonly number[];
  readonly truths: readonly (readonly (readonly [number, number, number])[])[];
  readonly perClass: { readonly [label: string]: number };
  readonly mAP: number;
  readonly distances: readonly number[];
  /** mAP by distance. */
  readonly at: { readonly [distance: string]: number };
  readonly score: number;
  /** Precision, recall and F1 by class, and their means. */
  readonly rates: { readonly [label: string]: readonly number[] };
  readonly macro: readonly number[];
}

const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8')) as {
  centres: readonly Case[];
};
const rates = ['precision', 'recall', 'f1'];
/** Sums of a few quotients in another order. */
const tolerance = 12;
const floor = -9;
const settings: CentreMapSettings = { classes: ['a', 'b'], stride: 4, distances: [5.7] };

/** A [1, 2, 4, 4] map with the given scores at (class, row, column). */
function scores(...entries: readonly (readonly [number, number, number, number])[]): FloatTensor {
  const data = new Float32Array(32).fill(floor);
  for (const [label, row, column, logit] of entries) data[label * 16 + row * 4 + column] = logit;
  // Peaks of the floor itself come last and change no envelope before them.
  return floatTensor([1, 2, 4, 4], data);
}

function apOf(
  logits: FloatTensor,
  truths: readonly Centre[],
  more: Partial<CentreMapSettings> = {},
): { readonly [name: string]: number } {
  const metric = new CentreMapPrecision({ ...settings, ...more });
  metric.add(logits, [truths], [0]);
  return metric.finish().classes['mAP'] ?? {};
}

describe('peaks', () => {
  it('are cells that no neighbour exceeds, best first, at most so many', () => {
    const map = Float32Array.of(1, 5, 1, 1, 1, 1, 3, 1, 9);
    expect(findPeaks(map, 1, 3, 3, 10).map(({ cell }) => cell)).toEqual([8, 1, 6]);
    expect(findPeaks(map, 1, 3, 3, 1).map(({ cell }) => cell)).toEqual([8]);
  });

  it('are one per plateau, its first cell', () => {
    const map = Float32Array.of(0, 0, 0, 0, 7, 7, 0, 7, 7);
    expect(findPeaks(map, 1, 3, 3, 1)).toEqual([{ label: 0, logit: 7, cell: 4 }]);
    expect(findPeaks(map, 1, 3, 3, 9).map(({ cell }) => cell)).toEqual([4]);
  });

  it('of equal score are ordered by class, then by cell', () => {
    const maps = Float32Array.of(0, -1, 0, 0, -1, 0);
    expect(findPeaks(maps, 2, 1, 3, 9).map(({ label, cell }) => [label, cell])).toEqual([
      [0, 0],
      [0, 2],
      [1, 0],
      [1, 2],
    ]);
  });

  it('keep their order where the sigmoid would make them equal', () => {
    expect(findPeaks(Float32Array.of(40, 0, 50), 1, 1, 3, 9).map(({ cell }) => cell)).toEqual([2, 0]);
  });
});

describe('centre-map average precision', () => {
  it('is 1 when every object is found before anything else', () => {
    const truths = [
      { label: 0, x: 6, y: 6 },
      { label: 1, x: 14, y: 2 },
    ];
    expect(apOf(scores([0, 1, 1, 3], [1, 0, 3, 2]), truths)).toEqual({ a: 1, b: 1 });
  });

  it('follows the precision envelope', () => {
    // By score: hit, miss, hit of two objects: precision 1, 1/2, 2/3 → 1/2 · 1 + 1/2 · 2/3.
    const logits = scores([0, 0, 0, 3], [0, 3, 0, 2], [0, 3, 3, 1]);
    const truths = [
      { label: 0, x: 2, y: 2 },
      { label: 0, x: 14, y: 14 },
    ];
    expect(apOf(logits, truths)['a']).toBeCloseTo(0.5 + 1 / 3, tolerance);
  });

  it('counts a second detection of one object as wrong', () => {
    const logits = scores([0, 0, 0, 3], [0, 0, 2, 2]);
    const one = apOf(logits, [{ label: 0, x: 6, y: 2 }]);
    const two = apOf(logits, [
      { label: 0, x: 6, y: 2 },
      { label: 0, x: 14, y: 14 },
    ]);
    expect(one).toEqual({ a: 1 });
    expect(two['a']).toBeLessThan(0.75);
  });

  it('gives a detection the nearest free object of its class only', () => {
    const truths = [{ label: 1, x: 2, y: 2 }];
    expect(apOf(scores([0, 0, 0, 3]), truths, { most: 1 })).toEqual({ b: 0 });
    // The better detection is nearer to the second object; the other still gets the first.
    const pair = [
      { label: 0, x: 5, y: 2 },
      { label: 0, x: 3, y: 2 },
    ];
    expect(apOf(scores([0, 0, 0, 3], [0, 0, 2, 2]), pair)).toEqual({ a: 1 });
  });

  it('takes the distance as exclusive', () => {
    const truths = [{ label: 0, x: 6, y: 2 }];
    expect(apOf(scores([0, 0, 0, 3]), truths, { distances: [4], most: 1 })).toEqual({ a: 0 });
    expect(apOf(scores([0, 0, 0, 3]), truths, { distances: [4.001], most: 1 })).toEqual({ a: 1 });
  });

  it('leaves out classes without objects and gives 0 to a class that is never found', () => {
    expect(apOf(scores([1, 0, 0, 3]), [{ label: 0, x: 14, y: 14 }], { most: 1 })).toEqual({ a: 0 });
  });

  it('is NaN, not zero, when there are no objects at all', () => {
    const metric = new CentreMapPrecision(settings);
    metric.add(scores([0, 0, 0, 3]), [[]], [0]);
    expect(metric.finish().values['mAP']).toBeNaN();
  });

  it('refuses outputs that are not finite, but does not look at padding', () => {
    const metric = new CentreMapPrecision(settings);
    const broken = scores([0, 0, 0, Number.POSITIVE_INFINITY]);
    expect(() => metric.add(broken, [[]], [7])).toThrow('image 7 holds Infinity');
    expect(() => metric.add(broken, [[]], [7], 0)).not.toThrow();
  });

  it.each(golden.centres)('agrees with an independent implementation (mAP $mAP)', (entry) => {
    const [images, classes, rows, columns] = entry.shape;
    const { stride, distance, distances, most, score } = entry;
    const names = Array.from({ length: classes }, (_, index) => String(index));
    const measured = (more: Pick<CentreMapSettings, 'distances' | 'score'>): MetricResult => {
      const metric = new CentreMapPrecision({ classes: names, stride, most, ...more });
      const each = classes * rows * columns;
      for (let image = 0; image < images; image++) {
        const logits = floatTensor(
          [1, classes, rows, columns],
          Float32Array.from(entry.logits.slice(image * each, (image + 1) * each)),
        );
        metric.add(logits, [(entry.truths[image] ?? []).map(([label, x, y]) => ({ label, x, y }))], [image]);
      }
      return metric.finish();
    };
    const one = measured({ distances: [distance], score });
    expect(Object.keys(one.values)).toEqual(['mAP', ...rates]);
    expect(one.values['mAP']).toBeCloseTo(entry.mAP, tolerance);
    expect(Object.keys(one.classes['mAP'] ?? {})).toEqual(Object.keys(entry.perClass));
    for (const [name, value] of Object.entries(entry.perClass))
      expect(one.classes['mAP']?.[name]).toBeCloseTo(value, tolerance);
    for (const [at, rate] of rates.entries()) {
      expect(one.values[rate], rate).toBeCloseTo(entry.macro[at] as number, tolerance);
      expect(Object.keys(one.classes[rate] ?? {})).toEqual(Object.keys(entry.rates));
      for (const [name, values] of Object.entries(entry.rates))
        expect(one.classes[rate]?.[name], rate).toBeCloseTo(values[at] as number, tolerance);
    }
    const several = measured({ distances });
    const means = distances.map((of) => entry.at[of % 1 === 0 ? of.toFixed(1) : String(of)] as number);
    expect(several.values['mAP']).toBeCloseTo(means.reduce((sum, of) => sum + of, 0) / means.length, tolerance);
    for (const [at, of] of distances.entries())
      expect(several.values[`mAP@${of}`]).toBeCloseTo(means[at] as number, tolerance);
    expect(several.classes[`mAP@${distance}`]).toEqual(one.classes['mAP']);
  });

  it('can be computed again over a weighted choice of the images', () => {
    const first = scores([0, 0, 0, 3], [0, 3, 3, 2]);
    const second = scores([0, 0, 3, 2.5], [0, 3, 0, 1]);
    const truths = [{ label: 0, x: 2, y: 2 }];
    const both = new CentreMapPrecision(settings);
    both.add(first, [truths], [0]);
    both.add(second, [truths], [1]);
    const twice = new CentreMapPrecision(settings);
    twice.add(second, [truths], [1]);
    twice.add(second, [truths], [2]);
    const again = both.finish().reweighted(Uint32Array.of(0, 2));
    expect(again.values['mAP']).toBeCloseTo(twice.finish().values['mAP'] as number, tolerance);
  });
});
