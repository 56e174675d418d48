// ONNX bytes in and out: nothing is lost on the way, and bytes that are no model give an OnnxError, never a crash.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { decodeModel, encodeModel, initializerBytes, OnnxError } from '../../../src/qat/onnx/codec.ts';
import { float, int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { GraphIr, IrTensor } from '../../../src/qat/onnx/ir.ts';
import type { TensorData } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { createSession } from '../../../src/qat/runtime/onnxruntime.ts';
import { runGraph } from '../graphs.ts';
import { smallGraph } from '../networks.ts';

const INT64_MAX = 2n ** 63n - 1n;

const tensors: { readonly [name: string]: IrTensor } = {
  float32: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(0, -0, 1e-40, Infinity) },
  float64: { dtype: 'float64', shape: [2], data: Float64Array.of(Math.PI, -1e300) },
  int8: { dtype: 'int8', shape: [3], data: Int8Array.of(-128, 0, 127) },
  uint8: { dtype: 'uint8', shape: [2], data: Uint8Array.of(0, 255) },
  int16: { dtype: 'int16', shape: [2], data: Int16Array.of(-32768, 32767) },
  uint16: { dtype: 'uint16', shape: [1], data: Uint16Array.of(65535) },
  int32: { dtype: 'int32', shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) },
  int64: { dtype: 'int64', shape: [3], data: BigInt64Array.of(-1n, INT64_MAX, -(2n ** 63n)) },
  bool: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
  scalar: { dtype: 'float32', shape: [], data: Float32Array.of(3.5) },
  empty: { dtype: 'float32', shape: [0, 4], data: new Float32Array(0) },
  int4: { dtype: 'int4', shape: [5], data: Int8Array.of(-8, 7, -1, 0, 3) },
  uint4: { dtype: 'uint4', shape: [3], data: Uint8Array.of(15, 0, 9) },
};

/** One of everything that the format holds. */
function fullGraph(): GraphIr {
  const b = new GraphBuilder('x');
  for (const [name, tensor] of Object.entries(tensors)) b.initializers.set(name, tensor);
  const attributes = {
    i: int(-3),
    f: float(0.5),
    s: text('größe'),
    ints: ints([1, -1, 4096]),
    floats: { kind: 'floats', value: [0.25, -2] },
    t: { kind: 'tensor', value: tensors['int8'] as IrTensor },
    none: ints([]),
  } as const;
  b.emit('Anything', ['x', '', 'float32'], attributes, { domain: 'test.domain', outputs: ['y', 'z'] });
  return b.finish({
    name: 'full',
    opset: 21,
    inputs: [
      { name: 'x', dtype: 'uint8', shape: ['N', 3, 'height', 4] },
      { name: 'any', dtype: 'float32' },
    ],
    outputs: [{ name: 'y', dtype: 'int64', shape: [] }],
    metadata: { b: '2', a: '{"1":"ä"}' },
  });
}

describe('the ONNX codec', () => {
  it('gives back what it wrote, for every element type and kind of attribute', () => {
    const graph = fullGraph();
    const read = decodeModel(encodeModel(graph));
    expect(read).toEqual(graph);
    expect(Object.is((read.initializers.get('float32') as IrTensor).data[1], -0)).toBe(true);
  });

  it('writes equal graphs as equal bytes, whatever the order of attributes and metadata', () => {
    const graph = fullGraph();
    const reversed = (values: object): object => Object.fromEntries(Object.entries(values).reverse());
    const nodes = graph.nodes.map((node) => ({
      ...node,
      attributes: reversed(node.attributes) as typeof node.attributes,
    }));
    const metadata = reversed(graph.metadata) as GraphIr['metadata'];
    expect(encodeModel({ ...graph, nodes, metadata })).toEqual(encodeModel(graph));
  });

  it('packs 4-bit values two per byte, the first in the low half', () => {
    const bytes = Buffer.from(encodeModel(fullGraph()));
    expect(bytes.includes(Buffer.from([0x78, 0x0f, 0x03]))).toBe(true);
    expect(bytes.includes(Buffer.from([0x0f, 0x09]))).toBe(true);
  });

  it.each(['int4', 'uint4'] as const)('writes %s as the runtime reads it', async (dtype) => {
    const values = dtype === 'int4' ? Int8Array.of(-8, -7, -1, 0, 1, 6, 7) : Uint8Array.of(0, 1, 7, 8, 14, 15, 3);
    const b = new GraphBuilder();
    b.initializers.set('q', { dtype, shape: [7], data: values });
    b.emit('DequantizeLinear', ['q', b.scalar(1)], {}, { outputs: ['y'] });
    const graph = b.finish({ name: 'g', opset: 21, inputs: [], outputs: [{ name: 'y', dtype: 'float32' }] });
    expect([...((await runGraph(graph, new Map())).get('y')?.data as Float32Array)]).toEqual([...values]);
  });

  it('writes a model that the runtime accepts after a round trip', async () => {
    const session = await createSession(encodeModel(decodeModel(encodeModel(smallGraph()))), {
      threads: 1,
      optimisation: 'disabled',
    });
    expect(session.outputNames).toEqual(['detection.out', 'segmentation.out']);
    await session.release();
  });

  it('counts the bytes of initializers in memory', () => {
    const graph = fullGraph();
    const counted = [...graph.initializers.values()].reduce(
      (sum, { data }: { data: TensorData }) => sum + data.byteLength,
      0,
    );
    expect(initializerBytes(graph)).toBe(counted);
  });
});

/** Field-by-field wire bytes, for spellings that the encoder itself never writes. */
const varint = (value: bigint): number[] => {
  const rest = BigInt.asUintN(64, value);
  return rest < 128n ? [Number(rest)] : [Number(rest & 127n) | 128, ...varint(rest >> 7n)];
};
const field = (id: number, payload: readonly number[] | string): number[] => {
  const bytes = typeof payload === 'string' ? [...Buffer.from(payload)] : payload;
  return [...varint(BigInt((id << 3) | 2)), ...varint(BigInt(bytes.length)), ...bytes];
};
const number = (id: number, value: number | bigint): number[] => [...varint(BigInt(id << 3)), ...varint(BigInt(value))];
const OPSET = field(8, [...field(1, ''), ...number(2, 18)]);
const node = (...parts: readonly number[][]): number[] =>
  field(1, [...field(1, 'x'), ...field(2, 'y'), ...field(4, 'Relu'), ...parts.flat()]);
const model = (graph: readonly number[][], ...rest: readonly number[][]): Uint8Array =>
  Uint8Array.from([...number(1, 8), ...field(7, graph.flat()), ...(rest.length === 0 ? OPSET : rest.flat())]);

describe('reading spellings of other exporters', () => {
  const tensor = (...parts: readonly number[][]): number[] => field(5, [...field(8, 'w'), ...parts.flat()]);
  const floats = (...values: readonly number[]): number[] => [...new Uint8Array(Float32Array.from(values).buffer)];

  it('reads float_data and int64_data, packed or not, to the last bit', () => {
    const read = (...parts: readonly number[][]): IrTensor | undefined =>
      decodeModel(model([node(), tensor(...parts)])).initializers.get('w');
    expect(read(number(1, 2), number(2, 1), field(4, floats(1.5, -2)))?.data).toEqual(Float32Array.of(1.5, -2));
    expect(read(field(1, [2]), number(2, 1), field(4, floats(1.5, -2)))?.shape).toEqual([2]);
    const large = [INT64_MAX, -(2n ** 63n), 2n ** 53n + 1n];
    expect(read(number(1, 3), number(2, 7), field(7, large.flatMap(varint)))?.data).toEqual(BigInt64Array.from(large));
    expect(read(number(1, 3), number(2, 22), field(5, [...varint(0x78n), ...varint(0x0fn)]))?.data).toEqual(
      Int8Array.of(-8, 7, -1),
    );
    expect(read(number(1, 2), number(2, 3), field(5, [...varint(-1n), ...varint(127n)]))?.data).toEqual(
      Int8Array.of(-1, 127),
    );
  });

  it('keeps the largest int64, which exporters use for "to the end"', () => {
    const ends = field(5, [...field(1, 'ends'), ...number(8, INT64_MAX), ...number(20, 7)]);
    const axis = field(5, [...field(1, 'axis'), ...number(3, -1n), ...number(20, 2)]);
    const read = decodeModel(model([node(ends, axis)]));
    expect(read.nodes[0]?.attributes['axis']).toEqual(int(-1));
    expect(decodeModel(encodeModel(read))).toEqual(read);
    const written = Buffer.from(encodeModel(read));
    expect(written.includes(Buffer.from(varint(INT64_MAX)))).toBe(true);
  });

  it('names unnamed nodes by operator and place, and drops initializers from the inputs', () => {
    const value = (name: string): number[] => field(11, field(1, name));
    const read = decodeModel(
      model([node(), value('x'), value('w'), tensor(number(1, 1), number(2, 1), field(4, floats(1)))]),
    );
    expect(read.nodes[0]?.name).toBe('Relu_0');
    expect(read.inputs.map(({ name }) => name)).toEqual(['x']);
  });
});

describe('refusing what is not supported', () => {
  const tensor = (...parts: readonly number[][]): number[] => field(5, [...field(8, 'w'), ...parts.flat()]);
  const attribute = (...parts: readonly number[][]): number[] => field(5, [...field(1, 'a'), ...parts.flat()]);

  it.each<readonly [string, Uint8Array, RegExp]>([
    ['no bytes', new Uint8Array(0), /holds no ONNX graph/],
    ['text', new Uint8Array(Buffer.from('not a model at all')), /not a readable ONNX model|holds no ONNX graph/],
    ['a graph without nodes', model([]), /holds no ONNX graph/],
    [
      'no standard operator set',
      model([node()], field(8, [...field(1, 'other'), ...number(2, 1)])),
      /no standard operator set/,
    ],
    ['functions', model([node()], OPSET, field(25, [1])), /functions of its own/],
    ['sparse initializers', model([node(), field(15, [1])]), /sparse/],
    ['a sub-graph', model([node(attribute(field(6, [1]), number(20, 5)))]), /node "Relu_0" \(Relu\) holds a sub-graph/],
    ['strings', model([node(attribute(number(20, 8)))]), /attribute "a" of node "Relu_0" \(Relu\) has type 8/],
    ['a tensor attribute without a tensor', model([node(attribute(number(20, 4)))]), /attribute "a" of node "Relu_0"/],
    [
      'external data',
      model([node(), tensor(number(2, 1), number(14, 1))]),
      /initializer "w" is stored in another file/,
    ],
    ['an element type of its own', model([node(), tensor(number(2, 99))]), /initializer "w" has element type 99/],
    [
      'too few bytes',
      model([node(), tensor(number(1, 2), number(2, 1), field(9, [0, 0, 0]))]),
      /initializer "w" holds 3 bytes for 2 values/,
    ],
    [
      'too few values',
      model([node(), tensor(number(1, 2), number(2, 1))]),
      /initializer "w" holds 0 values for 2 elements/,
    ],
    ['a negative dimension', model([node(), tensor(number(1, -2n), number(1, -1n), number(2, 1))]), /impossible shape/],
    ['an absurd dimension', model([node(), tensor(number(1, INT64_MAX), number(2, 1))]), /impossible shape/],
    [
      'a value of an unknown type',
      model([node(), field(11, [...field(1, 'x'), ...field(2, field(1, number(1, 77)))])]),
      /value "x" has element type 77/,
    ],
  ])('refuses %s with a sentence', (_, bytes, message) => {
    expect(() => decodeModel(bytes)).toThrow(OnnxError);
    expect(() => decodeModel(bytes)).toThrow(message);
  });
});

describe('reading damaged bytes', () => {
  const bytes = encodeModel(fullGraph());
  const decodes = (damaged: Uint8Array): string => {
    try {
      decodeModel(damaged);
      return 'ok';
    } catch (error) {
      return error instanceof OnnxError ? 'refused' : `crashed: ${String(error)}`;
    }
  };

  it('refuses or reads every truncation', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(decodes(bytes.slice(0, length)), `first ${length} bytes`).toMatch(/^(ok|refused)$/);
    }
  });

  it('refuses or reads bytes with flipped bits', () => {
    const random = new Random(1);
    for (let round = 0; round < 3000; round++) {
      const damaged = bytes.slice();
      const flips = Array.from(
        { length: 1 + random.below(3) },
        () => [random.below(damaged.length), 1 << random.below(8)] as const,
      );
      for (const [at, bit] of flips) damaged[at] = (damaged[at] as number) ^ bit;
      expect(decodes(damaged), JSON.stringify(flips)).toMatch(/^(ok|refused)$/);
    }
  });
});
