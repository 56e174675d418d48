// Small stand-ins for real data, made from a seed. Not for measuring anything.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { indexRows } from '../../src/data/dataset.ts';
import type { Dataset } from '../../src/data/dataset.ts';
import { itemSide } from '../../src/data/fashion-mnist.ts';
import type { FashionMnist, Items } from '../../src/data/fashion-mnist.ts';
import { Random } from '../../src/support/random.ts';

/** Filled ellipses whose brightness tells the class: enough to compose scenes from. */
export function fakeFashionMnist(trainCount = 40, testCount = 20): FashionMnist {
  return { train: fakeItems(trainCount, 100), test: fakeItems(testCount, 200), source: 'a test', failedWays: [] };
}

function fakeItems(count: number, level: number): Items {
  const random = new Random(level);
  const images = new Uint8Array(count * itemSide * itemSide);
  const labels = new Uint8Array(count);
  for (let item = 0; item < count; item++) {
    labels[item] = item % 10;
    const [halfWidth, halfHeight] = [4 + random.below(9), 4 + random.below(9)];
    for (let y = 0; y < itemSide; y++) {
      for (let x = 0; x < itemSide; x++) {
        const within = ((x - 13.5) / halfWidth) ** 2 + ((y - 13.5) / halfHeight) ** 2 <= 1;
        if (within) images[(item * itemSide + y) * itemSide + x] = level + item;
      }
    }
  }
  return { count, images, labels };
}

/** Two 2-channel images of 4×6 with every kind of target. */
export function smallDataset(): Dataset {
  const rows = Float32Array.from([0, 1, 0, 0, 3, 2, 1, 0, 2, 1, 6, 4, 1, 1, 0, 0, 2, 2]);
  return {
    name: 'small/train',
    count: 2,
    channels: 2,
    height: 4,
    width: 6,
    images: Uint8Array.from({ length: 2 * 2 * 4 * 6 }, (_, at) => at * 2),
    normalisation: { scale: 1 / 255, mean: [0.5, 0.25], std: [0.5, 2] },
    targets: new Map([
      ['boxes', { kind: 'boxes' as const, classes: ['a', 'b'], rows, firstRow: indexRows(rows, 2) }],
      [
        'mask',
        {
          kind: 'mask' as const,
          classes: ['x', 'y', 'z'],
          ignore: 255,
          values: Uint8Array.from({ length: 48 }, (_, at) => (at % 5 === 4 ? 255 : at % 3)),
        },
      ],
      ['label', { kind: 'class' as const, classes: ['p', 'q'], values: Int32Array.of(1, 0) }],
    ]),
    groups: Int32Array.of(3, 3),
  };
}

/** A folder of this test file's own, removed at its end. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-test-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
