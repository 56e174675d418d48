// Whole numbers beyond 2⁵³, which a JavaScript number cannot hold: exporters write the ends of int64 for "to the end".
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { decodeModel, encodeModel } from '../../../src/qat/onnx/codec.ts';
import { GraphEdit } from '../../../src/qat/onnx/graph-edit.ts';
import { toInt64 } from '../../../src/qat/onnx/int64.ts';
import type { Attribute, GraphIr } from '../../../src/qat/onnx/ir.ts';
import { spellAlike } from '../../../src/qat/onnx/normalise.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import { runGraph } from '../graphs.ts';

const LARGEST = 2n ** 63n - 1n;
const SMALLEST = -(2n ** 63n);

const exactInts = (values: readonly bigint[]): Attribute => ({
  kind: 'ints',
  value: values.map(Number),
  exact: values,
});

function graphOf(opset: number, op: string, attributes: { readonly [name: string]: Attribute }): GraphIr {
  const b = new GraphBuilder();
  const inputs = op === 'Constant' ? [] : ['x'];
  b.emit(op, inputs, attributes, { outputs: ['y'] });
  const value = { dtype: 'float32' } as const;
  return b.finish({ name: 'g', opset, inputs: [{ name: 'x', ...value }], outputs: [{ name: 'y', ...value }] });
}

/** As a file gives it, not as the builder was told. */
const throughFile = (graph: GraphIr): GraphIr => decodeModel(encodeModel(graph));

describe('a whole number of 64 bits', () => {
  it.each([
    ['the largest, meaning to the end', LARGEST],
    ['one below the largest, which is another number', LARGEST - 1n],
    ['the largest that 32 bits hold', 2n ** 31n - 1n],
  ])('cuts nothing off as an end of an old Slice: %s', async (_, end) => {
    const graph = throughFile(
      graphOf(9, 'Slice', { axes: exactInts([0n]), starts: exactInts([2n]), ends: exactInts([end]) }),
    );
    const upgraded = throughFile(await spellAlike(graph));
    const x = floatTensor([5], Float32Array.of(0, 1, 2, 3, 4));
    const y = (await runGraph(upgraded, new Map([['x', x]]))).get('y');
    expect(y?.data).toEqual(Float32Array.of(2, 3, 4));
    const ends = upgraded.initializers.get(upgraded.nodes[0]?.inputs[2] ?? '');
    expect(ends?.data).toEqual(BigInt64Array.of(end));
  });

  it('takes an old Slice from the start where it begins at the smallest', async () => {
    const graph = throughFile(
      graphOf(9, 'Slice', { axes: exactInts([0n]), starts: exactInts([SMALLEST]), ends: exactInts([2n]) }),
    );
    const x = floatTensor([5], Float32Array.of(0, 1, 2, 3, 4));
    const y = (await runGraph(await spellAlike(graph), new Map([['x', x]]))).get('y');
    expect(y?.data).toEqual(Float32Array.of(0, 1));
  });

  it('keeps every bit in an attribute and in the tensor that a Constant becomes', async () => {
    const values = [LARGEST, LARGEST - 1n, SMALLEST, SMALLEST + 1n, 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 40n, -1n];
    const graph = throughFile(graphOf(18, 'Constant', { value_ints: exactInts(values) }));
    expect(graph.nodes[0]?.attributes['value_ints']).toEqual(exactInts(values));
    expect((await spellAlike(graph)).initializers.get('y')?.data).toEqual(BigInt64Array.from(values));
    const single: Attribute = { kind: 'int', value: Number(LARGEST - 2n), exact: LARGEST - 2n };
    const one = throughFile(graphOf(18, 'Constant', { value_int: single }));
    expect((await spellAlike(one)).initializers.get('y')?.data).toEqual(BigInt64Array.of(LARGEST - 2n));
  });

  it('does not wrap around where a rewriting gives it as a number beyond the end', () => {
    expect(toInt64(2 ** 63)).toBe(LARGEST);
    expect(toInt64(-(2 ** 64))).toBe(SMALLEST);
    const b = new GraphBuilder();
    const edit = new GraphEdit(graphOf(18, 'Relu', {}));
    const expected = BigInt64Array.of(LARGEST, SMALLEST, -1n);
    expect(b.initializers.get(b.int64([2 ** 63, -(2 ** 63), -1]))?.data).toEqual(expected);
    expect(edit.initializers.get(edit.int64([2 ** 63, -(2 ** 63), -1]))?.data).toEqual(expected);
  });
});
