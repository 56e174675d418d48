// Errors of regressed numbers: root mean square and mean absolute error, each per channel over all values of all images, then
// the mean over the channels (scikit-learn's uniform average). In the target's own unit; less is better.
import type { JsonObject } from '../../support/json.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import { FORM_REMEDY, meanOf, MetricError, requireFinite } from './metric.ts';
import type { MetricResult, MetricValues } from './metric.ts';

export interface RegressionSettings {
  /** Names of the channels. */
  readonly channels: readonly string[];
  /** `rmse` where it is left out. */
  readonly primary?: 'rmse' | 'mae';
  /** Of the target, such as `m`. */
  readonly unit?: string;
}

/** Per image, then per channel. */
export interface RegressionStatistics {
  readonly kind: 'regression';
  readonly channels: readonly string[];
  readonly images: readonly number[];
  /** Values of one channel in one image. */
  readonly values: number;
  /** [images × channels]: sums of |error|. */
  readonly absolute: readonly number[];
  /** [images × channels]: sums of error². */
  readonly squared: readonly number[];
}

/** Collects batches of outputs; `finish` gives `rmse` and `mae`, and both per channel. */
export class Regression {
  private readonly settings: RegressionSettings;
  private readonly images: number[] = [];
  private readonly absolute: number[] = [];
  private readonly squared: number[] = [];
  private values = 0;

  constructor(settings: RegressionSettings) {
    this.settings = settings;
  }

  /**
   * `output` and `targets` [B, channels, …]; `images` names each image of the batch. Only the first `valid` count.
   * @throws MetricError on values that are not finite and on other shapes.
   */
  add(output: FloatTensor, targets: FloatTensor, images: ArrayLike<number>, valid: number = images.length): void {
    const channels = this.settings.channels.length;
    const each = output.data.length / (output.shape[0] as number);
    if (output.data.length !== targets.data.length || each % channels !== 0) {
      throw new MetricError(
        `[${output.shape.join(', ')}] and [${targets.shape.join(', ')}] are not ${channels} channels of one grid`,
        FORM_REMEDY,
      );
    }
    requireFinite(output.data, each, images, valid);
    this.values = each / channels;
    for (let place = 0; place < valid; place++) {
      this.images.push(images[place] as number);
      for (let channel = 0; channel < channels; channel++) {
        let [absolute, squared] = [0, 0];
        const first = place * each + channel * this.values;
        for (let at = first; at < first + this.values; at++) {
          const error = (output.data[at] as number) - (targets.data[at] as number);
          absolute += Math.abs(error);
          squared += error * error;
        }
        this.absolute.push(absolute);
        this.squared.push(squared);
      }
    }
  }

  finish(): MetricResult {
    const { channels, primary = 'rmse', unit = 'value' } = this.settings;
    const { images, values, absolute, squared } = this;
    const statistics: RegressionStatistics = { kind: 'regression', channels, images, values, absolute, squared };
    return {
      primary,
      ...errorsOf(statistics),
      units: { rmse: unit, mae: unit },
      higherIsBetter: { rmse: false, mae: false },
      count: images.length,
      reweighted: (weights) => errorsOf(statistics, weights),
      perImage: statistics as RegressionStatistics & JsonObject,
    };
  }
}

function errorsOf(statistics: RegressionStatistics, weights?: Uint32Array): MetricValues {
  const { channels, images, values, absolute, squared } = statistics;
  const rmse: { [channel: string]: number } = {};
  const mae: { [channel: string]: number } = {};
  for (const [channel, name] of channels.entries()) {
    let [count, sumOfAbsolute, sumOfSquared] = [0, 0, 0];
    for (let image = 0; image < images.length; image++) {
      const weight = weights?.[image] ?? 1;
      count += weight * values;
      sumOfAbsolute += weight * (absolute[image * channels.length + channel] as number);
      sumOfSquared += weight * (squared[image * channels.length + channel] as number);
    }
    if (count === 0) continue;
    rmse[name] = Math.sqrt(sumOfSquared / count);
    mae[name] = sumOfAbsolute / count;
  }
  return { values: { rmse: meanOf(Object.values(rmse)), mae: meanOf(Object.values(mae)) }, classes: { rmse, mae } };
}
