// Smallest and largest value per channel: what shows that one scale for a tensor, or for a filter, does not fit all of it.

export interface ChannelRanges {
  readonly min: Float64Array;
  readonly max: Float64Array;
}

export function emptyRanges(channels: number): ChannelRanges {
  return { min: new Float64Array(channels).fill(Infinity), max: new Float64Array(channels).fill(-Infinity) };
}

/** @param channelOf channel of a flat index. */
export function widen({ min, max }: ChannelRanges, data: Float32Array, channelOf: (index: number) => number): void {
  for (let index = 0; index < data.length; index++) {
    const [value, channel] = [data[index] as number, channelOf(index)];
    if (value < (min[channel] as number)) min[channel] = value;
    if (value > (max[channel] as number)) max[channel] = value;
  }
}

/** Channels of an activation: axis 1 of [N, C, …], the last axis of anything without one. */
export function activationChannels(shape: readonly number[]): {
  readonly channels: number;
  channelOf(index: number): number;
} {
  const channels = shape[1] ?? 1;
  const inner = shape.slice(2).reduce((product, size) => product * size, 1);
  return { channels, channelOf: (index) => Math.floor(index / inner) % channels };
}

/** Largest channel magnitude over the median of those that are not 0: 1 where all use one range, large where one outgrows them. */
export function spreadOf({ min, max }: ChannelRanges): number {
  const magnitudes = [...max].map((high, channel) => Math.max(Math.abs(high), Math.abs(min[channel] as number)));
  const sorted = magnitudes.filter((magnitude) => magnitude > 0).toSorted((a, b) => a - b);
  const [median = 1, largest = 1] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted.at(-1)];
  return largest / median;
}
