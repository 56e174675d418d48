// GridSample, bilinear and nearest, over [N, C, H, W] with a grid [N, Ho, Wo, 2] of (x, y) in [−1, 1]; padding with zeros
// or the border. Every sample reads four pixels (taps): dx scatters to them, dgrid reads them again. As PyTorch's
// grid_sample. Refused: bicubic, reflection, three spatial axes.
import type { GraphBuilder } from '../../onnx/builder.ts';
import { int, intOf, text, textOf } from '../../onnx/ir.ts';
import { zerosOf } from '../broadcast.ts';
import { GradientError } from '../rule.ts';
import type { GradientRule, RuleTable } from '../rule.ts';
import { oneMinus, ones } from './slopes.ts';

/** Along one axis, [N, P] each, P the samples. */
interface Axis {
  readonly size: number;
  /** Pixel coordinates per unit of the grid. */
  readonly perUnit: number;
  /** Lower tap, a whole number in float32. */
  readonly low: string;
  /** Weights of the lower and the upper tap; undefined where there is one tap only. */
  readonly weights: readonly [string, string] | undefined;
  /** 1 where the coordinate follows the grid, 0 where the border holds it; undefined: everywhere 1. */
  readonly follows: string | undefined;
}

interface Tap {
  readonly x: 0 | 1;
  readonly y: 0 | 1;
  /** [N, C, P], into the flat pixels. */
  readonly index: string;
  /** [N, P]: 0 outside the image. */
  readonly inside: string;
}

const gridSample: GradientRule = {
  kind: 'gradient',
  backward: ({ b, node, shapeOf, upstream: [dy], wanted }) => {
    if (dy === undefined) return [];
    const [image, grid] = node.inputs as [string, string];
    const shape = shapeOf(image);
    const [, ho, wo] = shapeOf(grid) as [number, number, number];
    if (shape.length !== 4) throw new GradientError(node, 'only two spatial axes have a gradient');
    const [n, c, h, w] = shape as [number, number, number, number];
    const samples = ho * wo;
    const [x, y] = [readAxis(b, node, grid, 0, w, [n, samples]), readAxis(b, node, grid, 1, h, [n, samples])];
    const taps = tapsOf(b, x, y, [n, c, samples]);
    const dSamples = b.reshape(dy, [n, c, samples]);
    return [
      wanted[0] === true ? b.reshape(imageGradient(), shape) : undefined,
      wanted[1] === true ? b.reshape(gridGradient(), [n, ho, wo, 2]) : undefined,
    ];

    function imageGradient(): string {
      return taps.reduce(
        (sum, tap) => {
          const weight = b.reshape(tapWeight(b, tap, x, y), [n, 1, samples]);
          const parts = { axis: int(2), reduction: text('add') };
          return b.emit('ScatterElements', [sum, tap.index, b.emit('Mul', [dSamples, weight])], parts);
        },
        zerosOf(b, [n, c, h * w]),
      );
    }

    function gridGradient(): string {
      if (x.weights === undefined || y.weights === undefined) return zerosOf(b, [n, samples, 2]);
      const pixels = b.reshape(image, [n, c, h * w]);
      const slopes = taps.map((tap) => {
        const read = b.emit('GatherElements', [pixels, tap.index], { axis: int(2) });
        const felt = b.reduceSum(b.emit('Mul', [dSamples, read]), [1], false);
        return { tap, felt: b.emit('Mul', [felt, tap.inside]) };
      });
      const along = (axis: Axis, other: Axis, own: 'x' | 'y', across: 'x' | 'y'): string => {
        const terms = slopes.map(({ tap, felt }) => {
          const weighed = b.emit('Mul', [felt, (other.weights as readonly [string, string])[tap[across]]]);
          return tap[own] === 1 ? weighed : b.emit('Neg', [weighed]);
        });
        const scaled = b.emit('Mul', [b.emit('Sum', terms), b.scalar(axis.perUnit)]);
        return b.reshape(axis.follows === undefined ? scaled : b.emit('Mul', [scaled, axis.follows]), [n, samples, 1]);
      };
      return b.emit('Concat', [along(x, y, 'x', 'y'), along(y, x, 'y', 'x')], { axis: int(2) });
    }
  },
};

function readAxis(
  b: GraphBuilder,
  node: Parameters<typeof intOf>[0],
  grid: string,
  component: number,
  size: number,
  shape: readonly number[],
): Axis {
  const unit = b.reshape(b.emit('Slice', [grid, b.int64([component]), b.int64([component + 1]), b.int64([3])]), shape);
  const aligned = intOf(node, 'align_corners', 0) === 1;
  const perUnit = aligned ? (size - 1) / 2 : size / 2;
  // −1 is the first pixel's centre (aligned) or its outer edge.
  const free = b.emit('Add', [b.emit('Mul', [unit, b.scalar(perUnit)]), b.scalar((size - 1) / 2)]);
  const mode = textOf(node, 'mode', 'bilinear');
  const padding = textOf(node, 'padding_mode', 'zeros');
  if (mode !== 'bilinear' && mode !== 'linear' && mode !== 'nearest')
    throw new GradientError(node, `interpolation "${mode}" has no gradient`);
  if (padding !== 'zeros' && padding !== 'border')
    throw new GradientError(node, `padding mode "${padding}" has no gradient`);
  const at = padding === 'border' ? b.emit('Clip', [free, b.scalar(0), b.scalar(size - 1)]) : free;
  if (mode === 'nearest') return { size, perUnit, low: b.emit('Round', [at]), weights: undefined, follows: undefined };
  const low = b.emit('Floor', [at]);
  const upper = b.emit('Sub', [at, low]);
  const inside = b.emit('And', [b.emit('Greater', [free, b.scalar(0)]), b.emit('Less', [free, b.scalar(size - 1)])]);
  const follows = padding === 'border' ? ones(b, inside) : undefined;
  return { size, perUnit, low, weights: [oneMinus(b, upper), upper], follows };
}

function tapsOf(b: GraphBuilder, x: Axis, y: Axis, shape: readonly [number, number, number]): readonly Tap[] {
  const sides: readonly (0 | 1)[] = x.weights === undefined ? [0] : [0, 1];
  return sides.flatMap((yy) =>
    sides.map((xx): Tap => {
      const [column, row] = [place(b, x, xx), place(b, y, yy)];
      const flat = b.emit('Add', [b.emit('Mul', [row.pixel, b.scalar(x.size)]), column.pixel]);
      const whole = b.reshape(b.emit('Cast', [flat], { to: int(7) }), [shape[0], 1, shape[2]]);
      const index = b.emit('Expand', [whole, b.int64(shape)]);
      return { x: xx, y: yy, index, inside: b.emit('Mul', [row.inside, column.inside]) };
    }),
  );
}

function place(b: GraphBuilder, axis: Axis, side: 0 | 1): { readonly pixel: string; readonly inside: string } {
  const at = side === 0 ? axis.low : b.emit('Add', [axis.low, b.scalar(1)]);
  const pixel = b.emit('Clip', [at, b.scalar(0), b.scalar(axis.size - 1)]);
  return { pixel, inside: ones(b, b.emit('Equal', [at, pixel])) };
}

function tapWeight(b: GraphBuilder, tap: Tap, x: Axis, y: Axis): string {
  if (x.weights === undefined || y.weights === undefined) return tap.inside;
  return b.emit('Mul', [b.emit('Mul', [x.weights[tap.x], y.weights[tap.y]]), tap.inside]);
}

export const gridSampleRules: RuleTable = { GridSample: gridSample };
