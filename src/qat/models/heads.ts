// Heads on the boundary levels of a backbone, whichever backbone it is: for the built-in model, and for one that a head is
// added to later.
//
//   heatmap: separable on the level of its stride, 1×1 to classes
//   dense:   the level of its stride, joined by every coarser one (1×1, enlarged), separable, 1×1 to classes
import { NetworkError } from '../network/network-error.ts';
import type { ModelWriter } from './model-writer.ts';

export interface HeadSettings {
  readonly kind: 'heatmap' | 'dense';
  readonly classes: number;
  /** Input pixels per output cell: that of one of the levels. */
  readonly stride: number;
}

/** A boundary tensor [N, channels, H / stride, W / stride]. */
export interface Level {
  readonly value: string;
  readonly channels: number;
  readonly stride: number;
}

/** Probability that a fresh heat map gives everywhere, as CenterNet and RetinaNet start. */
const PRIOR = 0.1;

/** @returns the head's output. @throws NetworkError when no level has the head's stride. */
export function writeHead(
  m: ModelWriter,
  name: string,
  { kind, classes, stride }: HeadSettings,
  levels: readonly Level[],
): string {
  const fine = levels.find((level) => level.stride === stride);
  if (fine === undefined) {
    const strides = levels.map((level) => level.stride).join(', ');
    throw new NetworkError(
      `head "${name}" has stride ${stride}; the backbone's boundary tensors have ${strides}`,
      "Set the head's `stride` to that of a boundary tensor.",
    );
  }
  const { channels } = fine;
  if (kind === 'heatmap') {
    const features = m.separable(`${name}.features`, fine.value, channels, channels, 1);
    return m.output(name, features, channels, classes, Math.log(PRIOR / (1 - PRIOR)));
  }
  const coarser = levels.filter((level) => level.stride > stride && level.stride % stride === 0);
  const contexts = coarser.map((level) => {
    const layer = coarser.length === 1 ? `${name}.context` : `${name}.context${level.stride}`;
    const context = m.block(layer, level.value, level.channels, channels, { kernel: 1 });
    return m.upsample(context, level.stride / stride);
  });
  const joined = m.join(name, [fine.value, ...contexts]);
  const width = Math.round(1.5 * channels);
  const features = m.separable(`${name}.features`, joined, channels * (1 + contexts.length), width, 1);
  return m.output(name, features, width, classes, 0);
}
