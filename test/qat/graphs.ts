// Small graphs for tests: run a builder's nodes, with every output fetched by its own name.
import { encodeModel } from '../../src/qat/onnx/codec.ts';
import type { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import type { GraphIr, ValueInfo } from '../../src/qat/onnx/ir.ts';
import { createSession } from '../../src/qat/runtime/onnxruntime.ts';
import type { SessionOptions } from '../../src/qat/runtime/onnxruntime.ts';
import { TRAINING_OPSET } from '../../src/qat/network/reference.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../src/support/tensor.ts';
import type { Random } from '../../src/support/random.ts';

export type Optimisation = SessionOptions['optimisation'];

export async function runGraph(
  graph: GraphIr,
  feeds: ReadonlyMap<string, Tensor>,
  optimisation: Optimisation = 'disabled',
): Promise<ReadonlyMap<string, Tensor>> {
  const session = await createSession(encodeModel(graph), { threads: 1, optimisation });
  try {
    return await session.run(new Map([...feeds].filter(([name]) => session.inputNames.includes(name))));
  } finally {
    await session.release();
  }
}

/** Runs what the builder holds; `outputs` are values of it. */
export async function runBuilder(
  b: GraphBuilder,
  feeds: ReadonlyMap<string, Tensor>,
  outputs: readonly string[],
  options: { readonly optimisation?: Optimisation; readonly opset?: number } = {},
): Promise<ReadonlyMap<string, Tensor>> {
  const inputs = [...feeds].map(([name, { dtype, shape }]): ValueInfo => ({ name, dtype, shape }));
  // A value may be asked for twice, or be an input itself: each output gets a name of its own.
  const names = outputs.map((value, index) => b.emit('Identity', [value], {}, { outputs: [`out${index}`] }));
  const graph = b.finish({
    name: 'test',
    opset: options.opset ?? TRAINING_OPSET,
    inputs,
    outputs: names.map((name) => ({ name, dtype: 'float32' })),
  });
  const results = await runGraph(graph, feeds, options.optimisation ?? 'disabled');
  return new Map(outputs.map((value, index) => [value, results.get(`out${index}`) as Tensor]));
}

export function randomTensor(random: Random, shape: readonly number[], scale = 1): FloatTensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return floatTensor(
    shape,
    Float32Array.from({ length: size }, () => random.normal() * scale),
  );
}
