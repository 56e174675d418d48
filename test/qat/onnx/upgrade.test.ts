// Opsets 7 to 21 spelled as opset 18: what ONNX's test data does not hold, since its models are of opset 17 or older.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { float, int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { Attribute, GraphIr } from '../../../src/qat/onnx/ir.ts';
import { spellAlike } from '../../../src/qat/onnx/normalise.ts';
import { UnsupportedModelError } from '../../../src/qat/onnx/unsupported-model.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { relativeDifference } from '../differences.ts';
import { randomTensor, runGraph } from '../graphs.ts';

function graphOf(
  opset: number,
  op: string,
  inputs: readonly string[],
  attributes: { readonly [name: string]: Attribute } = {},
): GraphIr {
  const b = new GraphBuilder();
  b.initializers.set('scale', floatTensor([4], Float32Array.of(1, 2, 0.5, -1)));
  b.initializers.set('bias', floatTensor([4], Float32Array.of(0, 1, -1, 0.25)));
  b.initializers.set('scales', floatTensor([4], Float32Array.of(1, 1, 2, 2)));
  b.emit(op, inputs, attributes, { outputs: ['y'] });
  const value = { dtype: 'float32' } as const;
  return b.finish({ name: 'g', opset, inputs: [{ name: 'x', ...value }], outputs: [{ name: 'y', ...value }] });
}

const x = randomTensor(new Random(3), [2, 4, 3, 5]);

async function run(graph: GraphIr): Promise<Float32Array> {
  return (await runGraph(graph, new Map([['x', x]]))).get('y')?.data as Float32Array;
}

describe('an imported graph of another opset', () => {
  it.each([
    ['Gelu', 20, ['x'], {}],
    ['Gelu', 20, ['x'], { approximate: text('tanh') }],
    ['GroupNormalization', 21, ['x', 'scale', 'bias'], { num_groups: int(2), epsilon: float(1e-3) }],
    ['AveragePool', 19, ['x'], { kernel_shape: ints([2, 2]), dilations: ints([1, 1]) }],
    ['Cast', 19, ['x'], { to: int(1), saturate: int(1) }],
    ['ReduceMean', 13, ['x'], { axes: ints([2, 3]), keepdims: int(0) }],
    ['Softmax', 11, ['x'], { axis: int(2) }],
    ['Clip', 9, ['x'], { min: float(-0.5), max: float(0.5) }],
    ['Pad', 9, ['x'], { pads: ints([0, 0, 1, 0, 0, 0, 0, 2]), value: float(0.5) }],
    ['Slice', 9, ['x'], { starts: ints([1]), ends: ints([3]), axes: ints([3]) }],
    ['Upsample', 9, ['x', 'scales'], { mode: text('nearest') }],
    ['Resize', 10, ['x', 'scales'], { mode: text('nearest') }],
    ['Unsqueeze', 11, ['x'], { axes: ints([0]) }],
  ] as const)('computes the same as opset 18: %s of opset %i', async (op, opset, inputs, attributes) => {
    const written = graphOf(opset, op, inputs, attributes);
    const upgraded = await spellAlike(written);
    expect(upgraded.opset).toBe(18);
    expect(relativeDifference(await run(upgraded), await run(written))).toBeLessThanOrEqual(1e-6);
  });

  it.each([
    ['AveragePool', 19, { kernel_shape: ints([2, 2]), dilations: ints([2, 1]) }, /dilated average pools/],
    ['Pad', 19, { mode: text('wrap') }, /padding mode "wrap"/],
    ['Add', 6, { broadcast: int(1), axis: int(1) }, /opsets before 7/],
  ] as const)(
    'is refused by node and reason where opset 18 cannot say it: %s',
    async (op, opset, attributes, words) => {
      const spelled = spellAlike(graphOf(opset, op, ['x', 'scale'], attributes));
      await expect(spelled).rejects.toThrow(UnsupportedModelError);
      await expect(spelled).rejects.toThrow(words);
    },
  );
});
