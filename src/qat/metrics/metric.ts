// What every metric gives. Statistics per image are kept, because metrics of sets are no means over images: an interval
// comes from a paired bootstrap that draws images again (weights), never from a formula over counts.
import type { JsonObject } from '../../support/json.ts';
import { Refusal } from '../../support/refusal.ts';

export interface MetricValues {
  /** By metric name; a mean over no classes is NaN, which no gate accepts. */
  readonly values: { readonly [metric: string]: number };
  /** Metric → class → value, for metrics that have one per class; classes that occur nowhere are left out. */
  readonly classes: { readonly [metric: string]: ByName<number> };
}

export interface ByName<T> {
  readonly [name: string]: T;
}

export interface MetricResult extends MetricValues {
  /** The name that gates mean by "primary". */
  readonly primary: string;
  readonly units: ByName<string>;
  readonly higherIsBetter: ByName<boolean>;
  /** How many images were added. */
  readonly count: number;
  /** The metric again where image i (in the order added) counts `weights[i]` times: exactly that of a list with repetitions. */
  readonly reweighted: (weights: Uint32Array) => MetricValues;
  /** Enough to compute the metric again over any choice of the images; plain JSON. */
  readonly perImage: JsonObject;
}

/** A network's output that no metric can be taken of: a user's problem, with its words. */
export class MetricError extends Refusal {
  override readonly name = 'MetricError';
}

/** What to do where an output, its ground truth and the metric are of different forms. */
export const FORM_REMEDY = 'Choose a `metric` and a `target` for the task that fit what its head gives.';

/** @throws MetricError naming the image: one NaN would make every later comparison false and look like a bad score. */
export function requireFinite(data: Float32Array, perImage: number, images: ArrayLike<number>, valid: number): void {
  for (let at = 0; at < valid * perImage; at++) {
    if (Number.isFinite(data[at])) continue;
    const image = images[Math.floor(at / perImage)] as number;
    throw new MetricError(`the output for image ${image} holds ${data[at]} at position ${at % perImage}`);
  }
}

/** Units and direction where every metric is a fraction of 1 and more is better. */
export function fractions({ values }: MetricValues): Pick<MetricResult, 'units' | 'higherIsBetter'> {
  const names = Object.keys(values);
  return {
    units: Object.fromEntries(names.map((name) => [name, 'fraction'])),
    higherIsBetter: Object.fromEntries(names.map((name) => [name, true])),
  };
}

/** NaN over nothing: no gate accepts it. */
export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
