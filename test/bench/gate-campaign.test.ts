// The short form of bench/gates/gates.mjs, on made-up images: what is counted there is right, and what it counts holds here.
import { describe, expect, it } from 'vitest';
import { countGates } from '../../bench/gates/count-gates.ts';
import { lossy, swapped, valueOf, wholePool } from '../../bench/gates/drawing.ts';
import { poolOf } from '../../bench/gates/stored-outputs.ts';
import { CentreMapPrecision, type DetectionStatistics } from '../../src/qat/metrics/centre-map.ts';
import { iouOf, type IouStatistics } from '../../src/qat/metrics/mean-iou.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { Random } from '../../src/support/random.ts';

const IMAGES = 300;

/** Per image 100 pixels over two classes, of which the model takes about this share for the other one. */
function segmentation(wrong: number, seed: number): IouStatistics {
  const random = new Random(seed);
  const scenes = new Random(7);
  const pixels = Array.from({ length: IMAGES }, () => {
    const first = 20 + scenes.below(60);
    const lost = [first, 100 - first].map((of) => Math.min(of, Math.round(2 * wrong * random.uniform() * of)));
    const [a, b] = lost as [number, number];
    return [first - a, first - a + b, first, 100 - first - b, 100 - first - b + a, 100 - first];
  });
  return {
    kind: 'mean-iou',
    classes: ['a', 'b'],
    images: wholePool({ images: IMAGES, over: none }, () => 0).map(({ image }) => image),
    pixels: pixels.flat(),
  };
}

function none(): never {
  throw new Error('only the number of images is asked');
}

function detection(seed: number) {
  const random = new Random(seed);
  const metric = new CentreMapPrecision({ classes: ['a', 'b'], stride: 4, distances: [5] });
  const [images, cells] = [12, 64];
  const data = Float32Array.from({ length: images * 2 * cells }, () => Math.round(4 * random.normal()) / 4);
  const truths = Array.from({ length: images }, () => [
    { label: random.below(2), x: 32 * random.uniform(), y: 32 * random.uniform() },
  ]);
  const names = Array.from({ length: images }, (_, image) => image);
  metric.add({ dtype: 'float32', shape: [images, 2, 8, 8], data }, truths, names);
  return metric.finish();
}

describe('gates that are counted', () => {
  it('draw from stored outputs the very metric, weighted or not, that the validation measured', () => {
    const measured = detection(3);
    const pool = poolOf([measured.perImage as JsonObject & DetectionStatistics]);
    const again = pool.over(wholePool(pool, () => 0));
    const weights = Uint32Array.from({ length: 12 }, (_, image) => image % 3);
    expect(again.values['mAP']).toBe(measured.values['mAP']);
    expect(again.reweighted(weights).values['mAP']).toBe(measured.reweighted(weights).values['mAP']);

    const stored = segmentation(0.2, 1);
    const dense = poolOf([stored]);
    expect(
      valueOf(
        dense,
        wholePool(dense, () => 0),
      ),
    ).toBe(iouOf(stored).values['mIoU']);
  });

  it('say "better" of an equal about as rarely as their confidence allows, while a bare threshold says it like a coin', () => {
    const pool = poolOf([segmentation(0.2, 1), segmentation(0.2, 2)]);
    const both = valueOf(pool, [...wholePool(pool, () => 0), ...wholePool(pool, () => 1)]);
    const { better, value, difference } = countGates({
      pool,
      drawing: swapped(pool, 0, 1),
      truth: { candidate: both, reference: both },
      images: 60,
      gates: 400,
      replicates: 99,
      seed: 1,
    });
    expect(better.confident).toBeLessThanOrEqual(0.09);
    expect(better.bare).toBeGreaterThan(0.4);
    expect(better.bare).toBeLessThan(0.6);
    expect(value.held).toBeGreaterThan(0.9);
    expect(difference.held).toBeGreaterThan(0.9);
  });

  it('know the truth of a loss that was made of two models', () => {
    const pool = poolOf([segmentation(0.2, 1), segmentation(0.2, 2), segmentation(0.4, 3)]);
    const made = lossy(pool, { base: 1, worse: 2, reference: 0, share: 0.95 });
    expect(made.share).toBeLessThanOrEqual(0.95);
    expect(made.share).toBeGreaterThan(0.945);
  });
});
