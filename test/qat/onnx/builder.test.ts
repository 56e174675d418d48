// The graph builder: counted names, shared small constants.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { encodeModel } from '../../../src/qat/onnx/codec.ts';
import { floatTensor } from '../../../src/support/tensor.ts';

describe('a graph builder', () => {
  it('shares equal small constants, by bits, type and shape', () => {
    const b = new GraphBuilder();
    expect(b.scalar(1)).toBe(b.scalar(1));
    expect(b.scalar(0)).not.toBe(b.scalar(-0));
    expect(b.scalar(1)).not.toBe(b.floats([1]));
    expect(b.int64([1])).not.toBe(b.floats([1], [1]));
    expect(b.constant({ dtype: 'uint8', shape: [1], data: Uint8Array.of(1) })).not.toBe(
      b.constant({ dtype: 'int8', shape: [1], data: Int8Array.of(1) }),
    );
    expect(b.floats(Array.from({ length: 64 }, () => 2))).toBe(b.floats(Array.from({ length: 64 }, () => 2)));
    const large = floatTensor([65], new Float32Array(65));
    expect(b.constant(large)).not.toBe(b.constant(large));
  });

  it('gives equal bytes for equal calls', () => {
    const build = (): Uint8Array => {
      const b = new GraphBuilder();
      const y = b.reduceSum(b.reshape(b.emit('Mul', ['x', b.scalar(2)]), [2, 2]), [1], true);
      return encodeModel(
        b.finish({
          name: 'g',
          opset: 18,
          inputs: [{ name: 'x', dtype: 'float32' }],
          outputs: [{ name: y, dtype: 'float32' }],
        }),
      );
    };
    expect(build()).toEqual(build());
  });

  it('names as many outputs as asked for', () => {
    const b = new GraphBuilder();
    expect(new Set(b.emitAll('Split', ['x'], {}, { outputs: 3 })).size).toBe(3);
    expect(b.emitAll('Split', ['x'], {}, { outputs: ['p', 'q'] })).toEqual(['p', 'q']);
  });
});
