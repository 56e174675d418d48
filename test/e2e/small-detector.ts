// M-LSD in miniature, as somebody else's file: images as [N, H, W, C] with a channel of ones, normalised inside the graph, one
// dense map that two heads without weights cut out of, a suppression behind them. Some channels of its first layer are
// hundreds of times larger than the others, and the next layer takes that back: what equalisation is for.
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { int, ints } from '../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../src/qat/onnx/ir.ts';
import { Random } from '../../src/support/random.ts';

export const SIDE = 32;
export const CHANNELS = 4;
/** The tensors at which the trunk and the heads end. */
export const CUTS = { boundary: ['map'], outputs: { offsets: ['offsets.raw'], scores: ['scores.raw'] } } as const;

const WIDTH = 8;
/** Channel c of the first layer is UNEVEN^(c mod 3) times as large. */
const UNEVEN = 16;

/** @param map signed, as M-LSD's: cut behind an int8 quantiser, which onnxruntime refuses by default beyond opset 20. */
export function smallDetector(map: 'positive' | 'signed' = 'positive'): GraphIr {
  const random = new Random(5);
  const b = new GraphBuilder('m');
  const conv = (
    input: string,
    shape: readonly [number, number, number, number],
    stride: number,
    groups = 1,
    names?: readonly string[],
  ) => {
    const [outputs, inputs, kernel] = shape;
    const size = outputs * inputs * kernel * kernel;
    const data = Float32Array.from({ length: size }, (_, index) => {
      const channel = Math.floor(index / (inputs * kernel * kernel));
      const uneven = UNEVEN ** (channel % 3);
      const factor = stride === 2 ? uneven : groups > 1 ? 1 / uneven : 1;
      return factor * random.normal() * Math.sqrt(2 / (inputs * kernel * kernel));
    });
    const weight = b.constant({ dtype: 'float32', shape, data });
    const bias = b.constant({
      dtype: 'float32',
      shape: [outputs],
      data: Float32Array.from({ length: outputs }, () => 0.1 * random.normal()),
    });
    const attributes = {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints(Array.from({ length: 4 }, () => (kernel - 1) / 2)),
      group: int(groups),
    };
    return b.emit('Conv', [input, weight, bias], attributes, names === undefined ? {} : { outputs: names });
  };
  const scaled = b.emit('Sub', [b.emit('Mul', ['image', b.scalar(1 / 127.5)]), b.scalar(1)]);
  const planes = b.emit('Transpose', [scaled], { perm: ints([0, 3, 1, 2]) });
  const first = b.emit('Relu', [conv(planes, [WIDTH, CHANNELS, 3, 3], 2)]);
  const second = b.emit('Relu', [conv(first, [WIDTH, 1, 3, 3], 1, WIDTH)]);
  if (map === 'signed') conv(second, [5, WIDTH, 1, 1], 1, 1, ['map']);
  else b.emit('Relu', [conv(second, [5, WIDTH, 1, 1], 1)], {}, { outputs: ['map'] });
  const cut = (from: number, to: number, outputs: readonly string[]): string =>
    b.emit('Slice', ['map', b.int64([from]), b.int64([to]), b.int64([1])], {}, { outputs });
  const offsets = cut(1, 5, ['offsets.raw']);
  const scores = b.emit('Sigmoid', [cut(0, 1, [b.fresh('logits')])], {}, { outputs: ['scores.raw'] });
  b.emit('Transpose', [offsets], { perm: ints([0, 2, 3, 1]) }, { outputs: ['offsets'] });
  const peaks = b.emit('MaxPool', [scores], { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) });
  const kept = b.emit('Cast', [b.emit('Equal', [scores, peaks])], { to: int(1) });
  b.emit('Mul', [scores, kept], {}, { outputs: ['scores'] });
  return b.finish({
    name: 'small-detector',
    opset: 13,
    inputs: [{ name: 'image', dtype: 'float32', shape: [1, SIDE, SIDE, CHANNELS] }],
    outputs: [
      { name: 'offsets', dtype: 'float32' },
      { name: 'scores', dtype: 'float32' },
    ],
  });
}
