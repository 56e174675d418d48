// The order of test files: those that start many processes first, so that none of them is left for the end with a core idle.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose files take longest, the longest first; the rest by Vitest's own order. */
const LONG = ['hostile', 'campaign', 'e2e', 'bench', 'engine', 'backends', 'cli'];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => rank(one) - rank(other));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((folder) => moduleId.includes(`/test/${folder}/`));
  return place < 0 ? LONG.length : place;
}
