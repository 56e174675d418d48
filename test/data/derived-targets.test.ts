// Masks made from other masks.
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.ts';
import { withDerivedTargets } from '../../src/data/derived-targets.ts';
import type { DerivedTarget } from '../../src/data/derived-targets.ts';
import { maskTarget } from '../../src/data/targets.ts';
import { tinyDataset } from '../backends/tiny-data.ts';

const dataset = tinyDataset('train', 4, 1);
const occupancy: DerivedTarget = {
  name: 'occupancy',
  from: 'mask',
  classes: [
    { name: 'free', of: ['ground'] },
    { name: 'occupied', of: 'others' },
  ],
};
const derive =
  (change: Partial<DerivedTarget>, of: Dataset = dataset) =>
  () =>
    withDerivedTargets(of, [{ ...occupancy, ...change }]);

describe('a derived target', () => {
  it('groups the classes of a mask, pixel by pixel, and leaves what is there as it is', () => {
    const before = dataset.images.slice();
    const wider = withDerivedTargets(dataset, [occupancy]);
    const [mask, derived] = [maskTarget(dataset, 'mask'), maskTarget(wider, 'occupancy')];
    expect(derived.classes).toEqual(['free', 'occupied']);
    expect([...derived.values]).toEqual([...mask.values].map((value) => (value === 0 ? 0 : 1)));
    expect(new Set(derived.values)).toEqual(new Set([0, 1]));
    expect(wider.images).toEqual(before);
    expect(maskTarget(wider, 'mask')).toBe(mask);
    expect([...wider.targets.keys()]).toEqual(['boxes', 'mask', 'occupancy']);
  });

  it('leaves pixels out that do not count in the mask it is made from', () => {
    const mask = maskTarget(dataset, 'mask');
    const values = mask.values.map((value, at) => (at % 5 === 0 ? mask.ignore : value));
    const holed = { ...dataset, targets: new Map([...dataset.targets, ['mask', { ...mask, values }]]) };
    const derived = maskTarget(withDerivedTargets(holed, [occupancy]), 'occupancy');
    expect([...derived.values].every((value, at) => (value === derived.ignore) === (at % 5 === 0))).toBe(true);
  });

  it.each<readonly [string, () => unknown, RegExp]>([
    ['a name that is taken', derive({ name: 'boxes' }), /has a target "boxes" already/],
    ['a source that is no mask', derive({ from: 'boxes' }), /"boxes", which is no mask .*targets: boxes, mask/],
    [
      'a class that the mask does not have',
      derive({
        classes: [
          { name: 'free', of: ['sky'] },
          { name: 'rest', of: 'others' },
        ],
      }),
      /names class "sky"; there are ground, dark, grey, light/,
    ],
    [
      'a class in two groups',
      derive({
        classes: [
          { name: 'a', of: ['ground'] },
          { name: 'b', of: ['ground'] },
        ],
      }),
      /class "ground" in two groups/,
    ],
    [
      'a class in none',
      derive({
        classes: [
          { name: 'a', of: ['ground'] },
          { name: 'b', of: ['dark'] },
        ],
      }),
      /leaves out class "grey"/,
    ],
  ])('is refused for %s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});
