import { describe, expect, it } from 'vitest';
import { ImageBatcher, evaluationBatches, trainingBatches } from '../../src/data/batches.ts';
import { buildTargets } from '../../src/data/targets.ts';
import { smallDataset } from './tiny-data.ts';

const flat = (batches: readonly Uint32Array[]): number[] => batches.flatMap((batch) => [...batch]);

describe('training batches', () => {
  it('hold every image at most once and leave out what fills no batch', () => {
    const batches = trainingBatches(10, 4, 1, 0);
    expect(batches.map((batch) => batch.length)).toEqual([4, 4]);
    expect(new Set(flat(batches)).size).toBe(8);
  });

  it('come in an order that depends on the seed and the epoch only', () => {
    expect(flat(trainingBatches(50, 5, 1, 3))).toEqual(flat(trainingBatches(50, 5, 1, 3)));
    expect(flat(trainingBatches(50, 5, 1, 3))).not.toEqual(flat(trainingBatches(50, 5, 1, 4)));
    expect(flat(trainingBatches(50, 5, 1, 3))).not.toEqual(flat(trainingBatches(50, 5, 2, 3)));
  });

  it('are refused when the data set does not fill one', () => {
    expect(() => trainingBatches(3, 4, 1, 0)).toThrow('3 images, fewer than one batch of 4');
  });
});

describe('evaluation batches', () => {
  it('hold every image once in order and say how many count in the last, which is full', () => {
    const batches = evaluationBatches(5, 2);
    expect(batches.map(({ indices }) => [...indices])).toEqual([
      [0, 1],
      [2, 3],
      [4, 4],
    ]);
    expect(batches.map(({ valid }) => valid)).toEqual([2, 2, 1]);
  });
});

describe('image batches', () => {
  it('are normalised per channel in double precision and rounded once', () => {
    const dataset = smallDataset();
    const { shape, data } = new ImageBatcher(dataset).images([1, 0]);
    expect(shape).toEqual([2, 2, 4, 6]);
    const expected = [1, 0].flatMap((image) =>
      [0, 1].flatMap((channel) =>
        Array.from({ length: 24 }, (_, pixel) => {
          const byte = dataset.images[(image * 2 + channel) * 24 + pixel] as number;
          const { scale, mean, std } = dataset.normalisation;
          return Math.fround((byte * scale - (mean[channel] as number)) / (std[channel] as number));
        }),
      ),
    );
    expect([...data]).toEqual(expected);
  });

  it('fill a given array instead of a new one', () => {
    const out = new Float32Array(48);
    expect(new ImageBatcher(smallDataset()).images([0], out).data).toBe(out);
  });
});

describe('targets', () => {
  it('put 1 into the cell of a box centre and fall off around it, per class', () => {
    const { shape, data } = buildTargets(smallDataset(), [1, 0], { form: 'heatmap', target: 'boxes', stride: 2 });
    expect(shape).toEqual([2, 2, 2, 3]);
    const plane = (index: number): number[] =>
      [...data.subarray(index * 6, index * 6 + 6)].map((value) => Number(value));
    // Image 1: class a has its centre at (4, 2.5) → row 1, column 2; class b at (1, 1) → row 0, column 0.
    const near = Math.fround(Math.exp(-1 / 2));
    expect(plane(0)).toEqual([Math.exp(-5 / 2), Math.exp(-2 / 2), near, Math.exp(-4 / 2), near, 1].map(Math.fround));
    expect(plane(1)[0]).toBe(1);
    // Image 0 has nothing of class a.
    expect(plane(2)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('take every stride-th pixel of a mask from the first and keep what is ignored', () => {
    const dataset = smallDataset();
    const { dtype, shape, data } = buildTargets(dataset, [1], { form: 'mask', target: 'mask', stride: 2 });
    const mask = dataset.targets.get('mask');
    const values = mask?.kind === 'mask' ? mask.values : new Uint8Array();
    expect([dtype, shape]).toEqual(['int32', [1, 2, 3]]);
    expect([...data]).toEqual([24, 26, 28, 36, 38, 40].map((at) => values[at]));
    expect([...data]).toContain(255);
  });

  it('round sizes up where the stride does not divide them', () => {
    expect(buildTargets(smallDataset(), [0], { form: 'mask', target: 'mask', stride: 4 }).shape).toEqual([1, 1, 2]);
    expect(buildTargets(smallDataset(), [0], { form: 'heatmap', target: 'boxes', stride: 4 }).shape).toEqual([
      1, 2, 1, 2,
    ]);
  });

  it('give class labels as they are', () => {
    expect(buildTargets(smallDataset(), [1, 1, 0], { form: 'class', target: 'label' }).data).toEqual(
      Int32Array.of(0, 0, 1),
    );
  });

  it('are refused by name when the data set has none of that name or kind', () => {
    const dataset = smallDataset();
    expect(() => buildTargets(dataset, [0], { form: 'mask', target: 'nothing', stride: 1 })).toThrow(
      'has no target "nothing"',
    );
    expect(() => buildTargets(dataset, [0], { form: 'mask', target: 'boxes', stride: 1 })).toThrow('is of kind boxes');
  });
});
