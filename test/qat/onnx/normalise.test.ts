// Foreign models brought to one form, and refused by the node's name where they cannot be.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { OnnxError } from '../../../src/qat/onnx/codec.ts';
import { float, int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { Attribute, GraphIr } from '../../../src/qat/onnx/ir.ts';
import { normaliseImported } from '../../../src/qat/onnx/normalise.ts';
import { floatTensor } from '../../../src/support/tensor.ts';

function graphOf(fill: (b: GraphBuilder) => void): GraphIr {
  const b = new GraphBuilder();
  fill(b);
  return b.finish({
    name: 'g',
    opset: 18,
    inputs: [{ name: 'x', dtype: 'float32' }],
    outputs: [{ name: 'y', dtype: 'float32' }],
  });
}

describe('normalising an imported graph', () => {
  it.each<readonly [string, { readonly [name: string]: Attribute }, unknown]>([
    [
      'a tensor',
      { value: { kind: 'tensor', value: floatTensor([2], Float32Array.of(1, 2)) } },
      floatTensor([2], Float32Array.of(1, 2)),
    ],
    ['a float', { value_float: float(0.5) }, floatTensor([], Float32Array.of(0.5))],
    ['floats', { value_floats: { kind: 'floats', value: [1, 2] } }, floatTensor([2], Float32Array.of(1, 2))],
    ['an integer', { value_int: int(-3) }, { dtype: 'int64', shape: [], data: BigInt64Array.of(-3n) }],
    [
      'the largest integers',
      { value_ints: ints([1, 2 ** 63]) },
      { dtype: 'int64', shape: [2], data: BigInt64Array.of(1n, 2n ** 63n - 1n) },
    ],
  ])('makes a Constant node that holds %s an initializer', async (_, attributes, expected) => {
    const graph = graphOf((b) => {
      b.emit('Constant', [], attributes, { outputs: ['c'] });
      b.emit('Add', ['x', 'c'], {}, { outputs: ['y'] });
    });
    const { nodes, initializers } = await normaliseImported(graph);
    expect(nodes.map(({ op }) => op)).toEqual(['Add']);
    expect(initializers.get('c')).toEqual(expected);
  });

  it('puts nodes in topological order, keeping the file’s order otherwise', async () => {
    const graph = graphOf((b) => {
      b.emit('Relu', ['b'], {}, { outputs: ['y'] });
      b.emit('Sigmoid', ['x'], {}, { outputs: ['b'] });
      b.emit('Neg', ['x', ''], {}, { outputs: ['z'] });
    });
    expect((await normaliseImported(graph)).nodes.map(({ op }) => op)).toEqual(['Sigmoid', 'Neg', 'Relu']);
  });

  it.each([
    [
      'an already quantised model',
      'DequantizeLinear',
      /node "n0_DequantizeLinear" \(DequantizeLinear\): the model is already quantised/,
    ],
    ['control flow', 'If', /control flow cannot be quantised/],
    ['recurrent operators', 'LSTM', /recurrent operators/],
    ['a value that nothing makes', 'Relu', /node "n0_Relu" \(Relu\) reads "missing", which nothing makes/],
  ])('refuses %s', async (_, op, message) => {
    const normalise = (): Promise<GraphIr> =>
      normaliseImported(graphOf((b) => b.emit(op, ['missing'], {}, { outputs: ['y'] })));
    await expect(normalise()).rejects.toThrow(OnnxError);
    await expect(normalise()).rejects.toThrow(message);
  });

  it('refuses a cycle, and a Constant of strings', async () => {
    const cycle = graphOf((b) => {
      b.emit('Add', ['x', 'y'], {}, { outputs: ['z'] });
      b.emit('Relu', ['z'], {}, { outputs: ['y'] });
    });
    await expect(normaliseImported(cycle)).rejects.toThrow(OnnxError);
    const words = graphOf((b) => b.emit('Constant', [], { value_string: text('a') }, { outputs: ['y'] }));
    await expect(normaliseImported(words)).rejects.toThrow(/holds no value that headgate reads/);
  });
});
