// Models of opsets 9 to 21 in headgate's one spelling: onnxruntime runs both and the outputs agree; the batch comes out free.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { FILE_LAYOUT_KEY } from '../../../src/qat/onnx/channels-first.ts';
import { float, int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../../src/qat/onnx/ir.ts';
import { normaliseImported } from '../../../src/qat/onnx/normalise.ts';
import { Random } from '../../../src/support/random.ts';
import { relativeDifference } from '../differences.ts';
import { randomTensor, runGraph } from '../graphs.ts';

/** Decomposed operators sum in another order. */
const TOLERANCE = 1e-6;

type Fill = (b: GraphBuilder) => unknown;

function graphOf(opset: number, shape: readonly (number | string)[], fill: Fill): GraphIr {
  const b = new GraphBuilder();
  fill(b);
  return b.finish({
    name: 'g',
    opset,
    inputs: [{ name: 'x', dtype: 'float32', shape }],
    outputs: [{ name: 'y', dtype: 'float32' }],
  });
}

const to = { outputs: ['y'] };

const spellings: readonly (readonly [string, number, Fill])[] = [
  ['Clip with attributes', 9, (b) => b.emit('Clip', ['x'], { min: float(-0.5), max: float(0.5) }, to)],
  [
    'Pad with attributes',
    9,
    (b) => b.emit('Pad', ['x'], { pads: ints([0, 0, 1, 0, 0, 0, 0, 2]), value: float(0.25) }, to),
  ],
  [
    'Slice with attributes',
    9,
    (b) => b.emit('Slice', ['x'], { starts: ints([1]), ends: ints([-1]), axes: ints([2]) }, to),
  ],
  [
    'Squeeze and Unsqueeze with attributes',
    11,
    (b) => {
      b.emit('Squeeze', [b.emit('Unsqueeze', ['x'], { axes: ints([0]) })], { axes: ints([0]) }, to);
    },
  ],
  ['ReduceMean with attributes', 17, (b) => b.emit('ReduceMean', ['x'], { axes: ints([2, 3]), keepdims: int(0) }, to)],
  ['ReduceSum with attributes', 11, (b) => b.emit('ReduceSum', ['x'], { axes: ints([1]) }, to)],
  [
    'Split without sizes',
    13,
    (b) => {
      b.emit('Add', b.emitAll('Split', ['x'], { axis: int(1) }, { outputs: 2 }), {}, to);
    },
  ],
  [
    'Split with an attribute',
    9,
    (b) => {
      const parts = b.emitAll('Split', ['x'], { axis: int(1), split: ints([1, 3]) }, { outputs: 2 });
      b.emit('Mul', parts, {}, to);
    },
  ],
  ['Softmax over several axes', 11, (b) => b.emit('Softmax', ['x'], { axis: int(1) }, to)],
  ['Softmax over the last axis', 12, (b) => b.emit('Softmax', ['x'], { axis: int(3) }, to)],
  ['Upsample', 9, (b) => b.emit('Upsample', ['x', b.floats([1, 1, 2, 2])], { mode: text('nearest') }, to)],
  [
    'Resize of opset 10, larger',
    10,
    (b) => b.emit('Resize', ['x', b.floats([1, 1, 2, 2])], { mode: text('linear') }, to),
  ],
  [
    'Resize of opset 10, smaller',
    10,
    (b) => b.emit('Resize', ['x', b.floats([1, 1, 0.5, 0.5])], { mode: text('nearest') }, to),
  ],
  ['Dropout', 9, (b) => b.emit('Relu', [b.emit('Dropout', ['x'], { ratio: float(0.5) })], {}, to)],
  [
    'BatchNormalization of opset 9',
    9,
    (b) => {
      const four = (value: number): string => b.floats([value, 1, 2, 0.5]);
      b.emit('BatchNormalization', ['x', four(1), four(2), four(3), four(4)], { momentum: float(0.9) }, to);
    },
  ],
  [
    'TopK with an attribute',
    9,
    (b) => b.emitAll('TopK', ['x'], { k: int(2), axis: int(3) }, { outputs: ['y', 'where'] }),
  ],
  ['Gelu', 20, (b) => b.emit('Gelu', ['x'], {}, to)],
  ['Gelu with tanh', 20, (b) => b.emit('Gelu', ['x'], { approximate: text('tanh') }, to)],
  [
    'GroupNormalization',
    21,
    (b) => {
      b.emit('GroupNormalization', ['x', b.floats([1, 2, 3, 4]), b.floats([0, 1, 0, 1])], { num_groups: int(2) }, to);
    },
  ],
];

describe('a model of another opset', () => {
  it.each(spellings)('computes what it did: %s (opset %i)', async (_, opset, fill) => {
    const graph = graphOf(opset, ['N', 4, 6, 6], fill);
    const normalised = await normaliseImported(graph);
    expect(normalised.opset).toBe(18);
    const feeds = new Map([['x', randomTensor(new Random(opset), [2, 4, 6, 6])]]);
    const [before, after] = [(await runGraph(graph, feeds)).get('y'), (await runGraph(normalised, feeds)).get('y')];
    expect(after?.shape).toEqual(before?.shape);
    expect(relativeDifference(after?.data as Float32Array, before?.data as Float32Array)).toBeLessThanOrEqual(
      TOLERANCE,
    );
  });

  it('is refused beyond opset 21', async () => {
    const graph = graphOf(22, ['N', 4, 6, 6], (b) => b.emit('Relu', ['x'], {}, to));
    await expect(normaliseImported(graph)).rejects.toThrow(/imports opsets up to 21/);
  });

  it('is refused in training mode, by the node’s name', async () => {
    const graph = graphOf(14, ['N', 4, 6, 6], (b) => {
      const four = b.floats([1, 1, 1, 1]);
      b.emit('BatchNormalization', ['x', four, four, four, four], { training_mode: int(1) }, to);
    });
    await expect(normaliseImported(graph)).rejects.toThrow(/"n0_BatchNormalization".*training mode/);
  });
});

describe('a model that was exported for one image', () => {
  it('takes any batch: constant reshapes, sizes computed from shapes, channels padded by ConstantOfShape', async () => {
    const graph = graphOf(13, [1, 2, 4, 4], (b) => {
      const flat = b.emit('Reshape', ['x', b.int64([1, 2, 16])]);
      const image = b.emit('Reshape', [flat, b.int64([1, 2, 4, 4])]);
      const shape = b.emit('Shape', [image]);
      const front = b.emit('Slice', [shape, b.int64([0]), b.int64([2])]);
      const larger = b.emit('Resize', [image, '', '', b.emit('Concat', [front, b.int64([8, 8])], { axis: int(0) })]);
      const batch = b.emit('Slice', [shape, b.int64([0]), b.int64([1])]);
      const zeros = b.emit('ConstantOfShape', [b.emit('Concat', [batch, b.int64([3, 8, 8])], { axis: int(0) })]);
      b.emit('Concat', [larger, zeros], { axis: int(1) }, to);
    });
    const normalised = await normaliseImported(graph);
    expect(normalised.nodes.map(({ op }) => op)).toEqual(['Reshape', 'Reshape', 'Resize', 'Pad']);
    expect(normalised.inputs[0]?.shape).toEqual(['N', 2, 4, 4]);
    const one = new Map([['x', randomTensor(new Random(3), [1, 2, 4, 4])]]);
    const [before, after] = [(await runGraph(graph, one)).get('y'), (await runGraph(normalised, one)).get('y')];
    expect(after?.data).toEqual(before?.data);
    const three = await runGraph(normalised, new Map([['x', randomTensor(new Random(3), [3, 2, 4, 4])]]));
    expect(three.get('y')?.shape).toEqual([3, 5, 8, 8]);
  });

  it('is refused where a node holds that one image, in the runtime’s words', async () => {
    const graph = graphOf(13, [1, 2, 4, 4], (b) =>
      b.emit('Add', [b.emit('Reshape', ['x', b.int64([4, 8])]), b.scalar(1)], {}, to),
    );
    await expect(normaliseImported(graph)).rejects.toThrow(/cannot take two images at a time/);
  });

  it('that comes as [N, H, W, C] takes [N, C, H, W], scaling and shifting kept', async () => {
    const graph = graphOf(13, [1, 6, 5, 3], (b) => {
      const shifted = b.emit('Sub', [b.emit('Mul', ['x', b.scalar(2)]), b.floats([1, 2, 3])]);
      b.emit('Relu', [b.emit('Transpose', [shifted], { perm: ints([0, 3, 1, 2]) })], {}, to);
    });
    const normalised = await normaliseImported(graph);
    expect(normalised.inputs[0]?.shape).toEqual(['N', 3, 6, 5]);
    expect(normalised.metadata[FILE_LAYOUT_KEY]).toBe('NHWC');
    const pixels = randomTensor(new Random(8), [1, 6, 5, 3]);
    const planes = pixels.data.map((_, index) => pixels.data[(index % 30) * 3 + Math.floor(index / 30)] as number);
    const before = (await runGraph(graph, new Map([['x', pixels]]))).get('y');
    const after = await runGraph(normalised, new Map([['x', { dtype: 'float32', shape: [1, 3, 6, 5], data: planes }]]));
    expect(after.get('y')?.data).toEqual(before?.data);
  });
});
