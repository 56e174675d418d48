// Broadcasting undone: the one place that sums a gradient over the axes along which its value was stretched.
import type { GraphBuilder } from '../onnx/builder.ts';

/** Sums `gradient` of shape `from` to shape `to`, which broadcasts to `from`. */
export function sumToShape(b: GraphBuilder, gradient: string, from: readonly number[], to: readonly number[]): string {
  if (from.length === to.length && from.every((size, axis) => size === to[axis])) return gradient;
  const missing = from.length - to.length;
  const axes = from.flatMap((size, axis) => (axis < missing || (to[axis - missing] === 1 && size !== 1) ? [axis] : []));
  const spatial = axes.filter((axis) => axis > 1);
  const outer = axes.filter((axis) => axis <= 1);
  // Two steps over contiguous axes are several times faster than one over [0, 2, 3].
  let summed = gradient;
  if (spatial.length > 0) summed = b.reduceSum(summed, spatial, true);
  if (outer.length > 0) summed = b.reduceSum(summed, outer, true);
  // Summed axes are kept as 1, so that only missing ones are left to take away.
  return missing === 0 ? summed : b.reshape(summed, to);
}

/** Zeros of any shape, without storing them. */
export function zerosOf(b: GraphBuilder, shape: readonly number[]): string {
  return b.emit('Expand', [b.scalar(0), b.int64(shape)]);
}
