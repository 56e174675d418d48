// Models that are small as files and large in memory are refused by their size, before anything of it is made.
import { describe, expect, test } from 'vitest';
import { decodeModel, OnnxError } from '../../../src/qat/onnx/codec.ts';
import { foldConstants } from '../../../src/qat/onnx/fold-constants.ts';
import type { Attribute, GraphIr, IrNode, IrTensor } from '../../../src/qat/onnx/ir.ts';
import { UnsupportedModelError } from '../../../src/qat/onnx/unsupported-model.ts';

const MiB = 2 ** 20;
const ints = (...values: number[]): IrTensor => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
const int = (value: number): IrTensor => ({ dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(value)) });
const floats = (shape: readonly number[]): IrTensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
});

function node(op: string, inputs: string[], outputs: string[], attributes: { [name: string]: Attribute } = {}): IrNode {
  return { op, domain: '', name: outputs[0] ?? op, inputs, outputs, attributes };
}

function graph(nodes: IrNode[], initializers: { [name: string]: IrTensor }): GraphIr {
  return {
    name: 'g',
    opset: 18,
    nodes,
    inputs: [],
    outputs: [],
    initializers: new Map(Object.entries(initializers)),
    metadata: {},
  };
}

const tooLarge: { readonly [what: string]: GraphIr } = {
  'a ConstantOfShape of 24,000 by 96,000': graph([node('ConstantOfShape', ['s'], ['c'])], { s: ints(24_000, 96_000) }),
  'an Expand of one value': graph([node('Expand', ['x', 's'], ['c'])], { x: floats([1]), s: ints(50_000, 50_000) }),
  'a Tile of one value': graph([node('Tile', ['x', 's'], ['c'])], { x: floats([1, 1]), s: ints(50_000, 50_000) }),
  'a Range to 10 billion': graph([node('Range', ['a', 'b', 'd'], ['c'])], { a: int(0), b: int(1e10), d: int(1) }),
  'a Pad of 100,000 on each side': graph([node('Pad', ['x', 'p'], ['c'])], {
    x: floats([1, 1]),
    p: ints(50_000, 50_000, 50_000, 50_000),
  }),
  'a Resize to 50,000 by 50,000': graph([node('Resize', ['x', '', '', 's'], ['c'])], {
    x: floats([1, 1, 1, 1]),
    s: ints(1, 1, 50_000, 50_000),
  }),
  'a Gather that reads one row a million times over': graph(
    [node('Expand', ['i', 's'], ['many']), node('Gather', ['x', 'many'], ['c'])],
    { x: floats([1, 1000]), i: ints(0), s: ints(1_000_000) },
  ),
  'a sum of a column and a row': graph([node('Add', ['x', 'y'], ['c'])], {
    x: floats([20_000, 1]),
    y: floats([20_000]),
  }),
  'a product of a column and a row': graph([node('MatMul', ['x', 'y'], ['c'])], {
    x: floats([20_000, 1]),
    y: floats([1, 20_000]),
  }),
  'a chain in which each Concat doubles': graph(
    Array.from({ length: 40 }, (_, index) =>
      node('Concat', [`c${index}`, `c${index}`], [`c${index + 1}`], { axis: { kind: 'int', value: 0 } }),
    ),
    { c0: floats([1]) },
  ),
  'many that are each small enough': graph(
    Array.from({ length: 40 }, (_, index) => node('ConstantOfShape', ['s'], [`c${index}`])),
    { s: ints(1024, 1024) },
  ),
};

describe('constants that folding would make', () => {
  test.each(Object.entries(tooLarge))('%s: refused with the node and what it would take', async (_what, model) => {
    const before = process.memoryUsage().rss;
    const refused = await foldConstants(model).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UnsupportedModelError);
    expect(String(refused)).toMatch(
      /node "c\d*" \(\w+\): with it the constants that the model computes would take [\d,]+ MiB/,
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * MiB);
  });

  test('a small ConstantOfShape, padded and added to, is made as before', async () => {
    const { nodes, initializers } = await foldConstants(
      graph([node('ConstantOfShape', ['s'], ['c']), node('Pad', ['c', 'p'], ['d']), node('Shape', ['d'], ['e'])], {
        s: ints(2, 3),
        p: ints(0, 1, 0, 1),
      }),
    );
    expect(nodes).toEqual([]);
    expect(initializers.get('d')?.shape).toEqual([2, 5]);
    expect(initializers.get('e')?.data).toEqual(BigInt64Array.of(2n, 5n));
  });
});

describe('files that are larger in memory', () => {
  test.each([
    ['nodes', '0a00', []],
    ['initializers', '2a00', []],
    ['int64 values', '01', [0x2a, 0x3a]],
  ])('20 MB of empty %s: refused before they are read', (_what, item, inside) => {
    let body: Uint8Array = new Uint8Array(Buffer.from(item.repeat((20 * MiB) / (item.length / 2)), 'hex'));
    for (const tag of [...inside].reverse()) body = field(tag, body);
    const before = process.memoryUsage().rss;
    expect(() => decodeModel(field(0x3a, body))).toThrow(OnnxError);
    expect(() => decodeModel(field(0x3a, body))).toThrow('the file holds more nodes, names and attributes');
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * MiB);
  });
});

function field(tag: number, body: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = body.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Uint8Array.of(tag, ...length, rest), body]);
}
