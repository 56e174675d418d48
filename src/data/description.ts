// The parts that every described data set shares.
import type { Dataset, Normalisation, Target } from './dataset.ts';
import { boxColumns } from './dataset.ts';
import { elementCount } from '../support/tensor.ts';
import type { JsonReader } from './json-reader.ts';

/** One split of a description, still unread. */
export interface DescribedPart {
  readonly folder: string;
  readonly name: string;
  readonly image: JsonReader;
  readonly targets: readonly (readonly [string, JsonReader])[];
  readonly split: JsonReader;
  readonly limit?: number;
}

export interface Opened {
  readonly dataset: Dataset;
  /** What a person should know, such as annotations that were left out. */
  readonly notes: readonly string[];
}

/** Defaults: bytes to [0, 1], nothing subtracted. */
export function readNormalisation(image: JsonReader, channels: number): Normalisation {
  const filled = (value: number): readonly number[] => Array.from({ length: channels }, () => value);
  return {
    scale: image.has('scale') ? image.at('scale').number() : 1 / 255,
    mean: image.has('mean') ? image.at('mean').numbers() : filled(0),
    std: image.has('std') ? image.at('std').numbers() : filled(1),
  };
}

/** The first `limit` images with what belongs to them. */
export function limited(dataset: Dataset, limit: number | undefined): Dataset {
  if (limit === undefined || limit >= dataset.count) return dataset;
  const { channels, height, width } = dataset;
  const targets = new Map(
    [...dataset.targets].map(([name, target]) => [name, limitedTarget(dataset, target, limit)] as const),
  );
  return {
    ...dataset,
    count: limit,
    images: dataset.images.slice(0, limit * channels * height * width),
    targets,
    ...(dataset.groups === undefined ? {} : { groups: dataset.groups.slice(0, limit) }),
  };
}

function limitedTarget({ height, width }: Dataset, target: Target, limit: number): Target {
  switch (target.kind) {
    case 'boxes':
      return {
        ...target,
        rows: target.rows.slice(0, (target.firstRow[limit] as number) * boxColumns),
        firstRow: target.firstRow.slice(0, limit + 1),
      };
    case 'mask':
      return { ...target, values: target.values.slice(0, limit * height * width) };
    case 'class':
      return { ...target, values: target.values.slice(0, limit) };
    case 'values':
      return { ...target, values: target.values.slice(0, limit * elementCount(target.shape)) };
  }
}
