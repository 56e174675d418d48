// Bootstrap replicates of a metric: the metric again over images drawn with replacement (Efron 1979), or over blocks of
// consecutive images for video, whose images are not independent (circular blocks, Politis and Romano 1992). What is drawn
// depends on the seed, the block length and the number of images alone: replicate i of a model and of its reference come of
// the same images, and their difference loses what both share.
import { Random } from '../../support/random.ts';
import type { ByName, MetricResult } from './metric.ts';

export interface BootstrapSettings {
  /** Replicates; 0 for none. */
  readonly count: number;
  readonly seed: number;
  /** Consecutive images that are drawn together. */
  readonly block: number;
}

/** null: the sample holds nothing that the metric could be taken of. */
export type Series = readonly (number | null)[];

export interface BootstrapReplicates {
  readonly values: ByName<Series>;
  /** Metric → class → replicates, of the classes that occur at all. */
  readonly classes: ByName<ByName<Series>>;
}

export function bootstrapReplicates(
  { values, classes, count: images, reweighted }: MetricResult,
  settings: BootstrapSettings,
): BootstrapReplicates {
  const series = (of: object): { [name: string]: (number | null)[] } =>
    Object.fromEntries(Object.keys(of).map((name) => [name, []]));
  const drawn = {
    values: series(values),
    classes: Object.fromEntries(Object.entries(classes).map(([metric, of]) => [metric, series(of)])),
  };
  for (let replicate = 0; replicate < settings.count; replicate++) {
    const again = reweighted(drawWeights(images, settings, replicate));
    for (const [name, values] of Object.entries(drawn.values)) values.push(orNull(again.values[name]));
    for (const [metric, of] of Object.entries(drawn.classes))
      for (const [name, values] of Object.entries(of)) values.push(orNull(again.classes[metric]?.[name]));
  }
  return drawn;
}

/** How often each image is in the sample; as many in all as there are images. */
export function drawWeights(
  images: number,
  { seed, block }: Pick<BootstrapSettings, 'seed' | 'block'>,
  replicate: number,
): Uint32Array {
  const weights = new Uint32Array(images);
  const random = Random.derive(seed, replicate);
  for (let drawn = 0; drawn < images; drawn += block) {
    const start = random.below(images);
    const length = Math.min(block, images - drawn);
    for (let step = 0; step < length; step++) {
      const image = (start + step) % images;
      weights[image] = (weights[image] as number) + 1;
    }
  }
  return weights;
}

function orNull(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : value;
}
