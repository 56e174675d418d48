// Images that stand in two splits of one data set. Calibration may be drawn from the training split; any other meeting lets a
// decision or a published figure see what it must not. Only equal pixels are found: neighbouring frames of a film are not.
import { digestBytes } from '../support/digest.ts';
import type { Dataset } from './dataset.ts';

export class SeenImages {
  /** Split → digest of an image's pixels → its index. */
  private readonly splits = new Map<string, ReadonlyMap<string, number>>();

  /** @returns one sentence for each earlier split that shares images with this one. */
  add(split: string, dataset: Dataset): readonly string[] {
    const size = dataset.channels * dataset.height * dataset.width;
    const images = new Map<string, number>();
    for (let index = 0; index < dataset.count; index++) {
      const pixels = dataset.images.subarray(index * size, (index + 1) * size);
      images.set(digestBytes(pixels), index);
    }
    const found: string[] = [];
    for (const [other, earlier] of this.splits) {
      if (mayShare(split, other)) continue;
      const shared = [...images].filter(([digest]) => earlier.has(digest));
      const [first] = shared;
      if (first === undefined) continue;
      found.push(
        `${shared.length} images of split "${split}" are in split "${other}" too (number ${first[1]} of "${split}" is number ${earlier.get(first[0]) ?? 0} of "${other}"): what is measured on one is no longer independent of the other`,
      );
    }
    this.splits.set(split, images);
    return found;
  }
}

function mayShare(...splits: readonly string[]): boolean {
  return splits.includes('calibration') && splits.includes('train');
}
