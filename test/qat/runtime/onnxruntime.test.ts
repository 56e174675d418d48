// The door to the runtime: its refusals are sentences, its tensors are ours.
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { encodeModel } from '../../../src/qat/onnx/codec.ts';
import { createSession, RuntimeError } from '../../../src/qat/runtime/onnxruntime.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import { runBuilder } from '../graphs.ts';

const options = { threads: 1, optimisation: 'disabled' } as const;

describe('a session', () => {
  it('cannot be made of bytes that are no model, or of an operator that does not exist', async () => {
    await expect(createSession(new Uint8Array(16), options)).rejects.toThrow(RuntimeError);
    const b = new GraphBuilder();
    b.emit('NoSuchOperator', ['x'], {}, { outputs: ['y'] });
    const graph = b.finish({
      name: 'g',
      opset: 18,
      inputs: [{ name: 'x', dtype: 'float32' }],
      outputs: [{ name: 'y', dtype: 'float32' }],
    });
    await expect(createSession(encodeModel(graph), options)).rejects.toThrow(/NoSuchOperator/);
  });

  it('gives scalars, booleans and only the outputs that were asked for', async () => {
    const b = new GraphBuilder();
    const greater = b.emit('Greater', ['x', b.scalar(0)]);
    const sum = b.emit('ReduceSum', ['x'], {});
    const one = b.reshape(sum, []);
    const results = await runBuilder(b, new Map([['x', floatTensor([3], Float32Array.of(-1, 0, 4))]]), [one]);
    expect([...results]).toEqual([[one, floatTensor([], Float32Array.of(3))]]);
    const graph = b.finish({
      name: 'g',
      opset: 18,
      inputs: [{ name: 'x', dtype: 'float32', shape: [3] }],
      outputs: [
        { name: greater, dtype: 'bool' },
        { name: sum, dtype: 'float32' },
      ],
    });
    const session = await createSession(encodeModel(graph), options);
    const found = await session.run(new Map([['x', floatTensor([3], Float32Array.of(-1, 0, 4))]]), [greater]);
    expect([...found]).toEqual([[greater, { dtype: 'uint8', shape: [3], data: Uint8Array.of(0, 0, 1) }]]);
    await session.release();
  });
});
