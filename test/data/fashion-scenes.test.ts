import { describe, expect, it } from 'vitest';
import { boxRow } from '../../src/data/dataset.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { SceneComposer, defaultSceneSettings, splitItems } from '../../src/data/fashion-scenes.ts';
import type { SceneSettings, SplitName } from '../../src/data/fashion-scenes.ts';
import { boxTarget, maskTarget } from '../../src/data/targets.ts';
import { checkDataset } from '../../src/data/check-dataset.ts';
import { fakeFashionMnist } from './tiny-data.ts';

const data = fakeFashionMnist();

function compose(
  split: SplitName,
  count: number,
  seed: number,
  settings: Partial<SceneSettings> = {},
  step = 7,
): Dataset {
  const composer = new SceneComposer(splitItems(data, split), split, count, seed, {
    ...defaultSceneSettings,
    ...settings,
  });
  while (composer.done < count) composer.advance(step);
  return checkDataset(composer.dataset());
}

describe('FashionScenes', () => {
  it('gives the same scenes from the same seed, whatever the steps they are composed in', () => {
    expect(compose('train', 20, 5, {}, 1)).toEqual(compose('train', 20, 5, {}, 100));
  });

  it('gives other scenes from another seed and in another split', () => {
    const images = compose('train', 5, 5).images;
    expect(compose('train', 5, 6).images).not.toEqual(images);
    expect(compose('calibration', 5, 5).images).not.toEqual(images);
  });

  it('keeps the first scenes when more are asked for', () => {
    const [few, many] = [compose('gate', 5, 1), compose('gate', 9, 1)];
    expect(many.images.subarray(0, few.images.length)).toEqual(few.images);
    const [fewBoxes, manyBoxes] = [boxTarget(few, 'boxes').rows, boxTarget(many, 'boxes').rows];
    expect(manyBoxes.subarray(0, fewBoxes.length)).toEqual(fewBoxes);
  });

  it('draws train and calibration from training items, gate and report from separate halves of the test items', () => {
    expect(splitItems(data, 'train')).toBe(data.train);
    expect(splitItems(data, 'calibration')).toBe(data.train);
    const [gate, report] = [splitItems(data, 'gate'), splitItems(data, 'report')];
    expect([gate.count, report.count]).toEqual([10, 10]);
    expect(Buffer.concat([gate.images, report.images]).equals(data.test.images)).toBe(true);
    expect(Buffer.concat([gate.labels, report.labels]).equals(data.test.labels)).toBe(true);
  });

  it('gives every pixel brighter than 16 of an item its class, and its box spans exactly these pixels', () => {
    const dataset = compose('train', 30, 2, { items: [1, 1] });
    const { values } = maskTarget(dataset, 'mask');
    const boxes = boxTarget(dataset, 'boxes');
    expect(boxes.firstRow.at(-1)).toBe(30);
    for (let scene = 0; scene < dataset.count; scene++) {
      const [, label, ...box] = boxRow(boxes.rows, scene);
      const owned = [...values.subarray(scene * 4096, (scene + 1) * 4096).entries()].filter(([, value]) => value > 0);
      const [xs, ys] = [owned.map(([at]) => at % 64), owned.map(([at]) => at >> 6)];
      expect(new Set(owned.map(([, value]) => value))).toEqual(new Set([label + 1]));
      expect(box).toEqual([Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1]);
    }
  });

  it('drops the box of an item of which less than a quarter stays visible, and keeps its visible pixels', () => {
    const dataset = compose('train', 200, 3, { size: 32, items: [4, 4] });
    const boxes = boxTarget(dataset, 'boxes');
    expect(boxes.rows.length / 6).toBeLessThan(800);
    expect(boxes.rows.length / 6).toBeGreaterThan(200);
    const { values } = maskTarget(dataset, 'mask');
    const boxedOnly = [...Array(200).keys()].every((scene) => {
      const present = new Set(values.subarray(scene * 1024, (scene + 1) * 1024));
      const [from, to] = [boxes.firstRow[scene] as number, boxes.firstRow[scene + 1] as number];
      const boxed = new Set(Array.from({ length: to - from }, (_, row) => boxRow(boxes.rows, from + row)[1] + 1));
      return [...present].every((value) => value === 0 || boxed.has(value));
    });
    expect(boxedOnly).toBe(false);
  });

  it('lets a later item hide an earlier one', () => {
    const dataset = compose('train', 50, 4, { size: 32, items: [2, 2] });
    const boxes = boxTarget(dataset, 'boxes');
    for (let row = 0; row + 1 < boxes.rows.length / 6; row++) {
      const [earlier, later] = [boxRow(boxes.rows, row), boxRow(boxes.rows, row + 1)];
      if (earlier[0] !== later[0]) continue;
      const [x, y] = [(later[2] + later[4]) >> 1, (later[3] + later[5]) >> 1];
      expect(maskTarget(dataset, 'mask').values[later[0] * 1024 + y * 32 + x]).toBe(later[1] + 1);
    }
  });

  it('enlarges items within the given range', () => {
    const sizes = (scale: readonly [number, number]): number => {
      const { rows } = boxTarget(compose('train', 50, 6, { items: [1, 1], scale }), 'boxes');
      return Array.from({ length: 50 }, (_, row) => boxRow(rows, row)).reduce((sum, box) => sum + box[4] - box[2], 0);
    };
    // Smoothed edges stay brighter than 16 for up to one more pixel on each side.
    const ratio = sizes([1.5, 1.5]) / sizes([1, 1]);
    expect(ratio).toBeGreaterThan(1.45);
    expect(ratio).toBeLessThan(1.65);
  });
});
