// Signal to quantisation noise of a head's outputs against the float model's, in decibels: what can be measured without labels.
// 10·log10(Σ float² / Σ (output − float)²) per output over all images; the metric is the worst output's.
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import { MetricError, requireFinite } from './metric.ts';
import type { ByName, MetricResult, MetricValues } from './metric.ts';

/** Stands for no difference at all, so that a float model can be measured too and gates get a number. */
export const NO_NOISE = 200;

export interface SqnrStatistics {
  readonly kind: 'sqnr';
  readonly outputs: readonly string[];
  readonly images: readonly number[];
  /** [images × outputs]: sums of squares of the float model's values. */
  readonly signal: readonly number[];
  /** [images × outputs]: sums of squares of what is different. */
  readonly noise: readonly number[];
}

/** Collects batches of outputs; `finish` gives `sqnr`, and per output. */
export class Sqnr {
  private readonly outputs: readonly string[];
  private readonly images: number[] = [];
  private readonly signal: number[] = [];
  private readonly noise: number[] = [];

  constructor(outputs: readonly string[]) {
    this.outputs = outputs;
  }

  /**
   * Values [B, …] by output; `images` names each image of the batch. Only the first `valid` count.
   * @throws MetricError on values that are not finite.
   */
  add(
    found: ReadonlyMap<string, FloatTensor>,
    float: ReadonlyMap<string, FloatTensor>,
    images: ArrayLike<number>,
    valid: number = images.length,
  ): void {
    const pairs = this.outputs.map((name) => {
      const [own, reference] = [found.get(name), float.get(name)];
      if (own === undefined || own.data.length !== reference?.data.length)
        throw new MetricError(`output "${name}" is not that of the float model`);
      const each = own.data.length / (own.shape[0] as number);
      for (const { data } of [own, reference]) requireFinite(data, each, images, valid);
      return { own: own.data, reference: reference.data, each };
    });
    for (let place = 0; place < valid; place++) {
      this.images.push(images[place] as number);
      for (const { own, reference, each } of pairs) {
        let [signal, noise] = [0, 0];
        for (let at = place * each; at < (place + 1) * each; at++) {
          const value = reference[at] as number;
          signal += value * value;
          noise += ((own[at] as number) - value) ** 2;
        }
        this.signal.push(signal);
        this.noise.push(noise);
      }
    }
  }

  finish(): MetricResult {
    const { outputs, images, signal, noise } = this;
    const statistics: SqnrStatistics = { kind: 'sqnr', outputs, images, signal, noise };
    return {
      primary: 'sqnr',
      ...ratiosOf(statistics),
      units: { sqnr: 'dB' },
      higherIsBetter: { sqnr: true },
      count: images.length,
      reweighted: (weights) => ratiosOf(statistics, weights),
      perImage: statistics as SqnrStatistics & JsonObject,
    };
  }
}

function ratiosOf({ outputs, images, signal, noise }: SqnrStatistics, weights?: Uint32Array): MetricValues {
  const sum = (of: readonly number[], output: number): number =>
    images.reduce(
      (all, _, image) => all + (weights?.[image] ?? 1) * (of[image * outputs.length + output] as number),
      0,
    );
  const perOutput: ByName<number> = Object.fromEntries(
    outputs.map((name, output) => [name, decibels(sum(signal, output), sum(noise, output))]),
  );
  const values = images.length === 0 ? [Number.NaN] : Object.values(perOutput);
  return { values: { sqnr: Math.min(...values) }, classes: { sqnr: perOutput } };
}

function decibels(signal: number, noise: number): number {
  return noise === 0 ? NO_NOISE : Math.min(NO_NOISE, 10 * Math.log10(signal / noise));
}
