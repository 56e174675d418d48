// ONNX's own backend test data (Debian's libonnx-testdata, or onnx/backend/test/data): single-node models with inputs and
// expected outputs. Each is imported as headgate imports a model (decoded, normalised, brought to opset 18), emitted through
// the kernel's graph, lowered, run by onnxruntime without optimisations, and compared with output_N.pb.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lower } from '../../src/qat/autodiff/differentiate.ts';
import { TRAINING_OPSET } from '../../src/qat/network/reference.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { decodeModel, decodeTensor, encodeModel, OnnxError } from '../../src/qat/onnx/codec.ts';
import type { GraphIr, IrTensor } from '../../src/qat/onnx/ir.ts';
import { spellAlike } from '../../src/qat/onnx/normalise.ts';
import { createSession } from '../../src/qat/runtime/onnxruntime.ts';
import { elementCount } from '../../src/support/tensor.ts';
import type { Tensor } from '../../src/support/tensor.ts';

/** Where the data is: the folder that holds `node`, `simple`, … */
export const DATA_VARIABLE = 'HEADGATE_ONNX_TESTDATA';

export type Outcome = 'passed' | 'refused' | 'differs' | 'not run';

export interface Verdict {
  readonly name: string;
  /** As the file spells them; empty where it could not be read. */
  readonly operators: readonly string[];
  readonly outcome: Outcome;
  readonly why: string;
}

/** As ONNX's own runner compares: |actual − expected| ≤ atol + rtol · |expected|. */
const RTOL = 1e-3;
const ATOL = 1e-7;

const GROUPS = ['node', 'simple', 'pytorch-operator', 'pytorch-converted', 'real'];

/** Folders that hold a model.onnx, sorted. */
export function backendCases(data: string): readonly string[] {
  return GROUPS.filter((group) => existsSync(join(data, group)))
    .flatMap((group) => readdirSync(join(data, group)).map((name) => join(data, group, name)))
    .filter((folder) => existsSync(join(folder, 'model.onnx')))
    .sort();
}

/** A file with neither inputs nor outputs to compare (the "real" models name downloads) is not run. */
export async function runBackendCase(folder: string): Promise<Verdict> {
  const name = basename(folder);
  let operators: readonly string[] = [];
  const verdict = (outcome: Outcome, why = ''): Verdict => ({ name, operators, outcome, why });
  try {
    const read = decodeModel(readFileSync(join(folder, 'model.onnx')));
    operators = [...new Set(read.nodes.map((node) => node.op))];
    const graph = await spellAlike(read);
    const sets = readdirSync(folder).filter((entry) => entry.startsWith('test_data_set_'));
    if (sets.length === 0) return verdict('not run', 'it has no test data');
    for (const set of sets) {
      const difference = await runSet(graph, join(folder, set));
      if (difference !== undefined) return verdict('differs', difference);
    }
    return verdict('passed');
  } catch (error) {
    const words = error instanceof Error ? (error.message.split('\n')[0] as string) : String(error);
    return verdict(error instanceof OnnxError ? 'refused' : 'not run', words);
  }
}

async function runSet(graph: GraphIr, folder: string): Promise<string | undefined> {
  const b = new GraphBuilder('k');
  for (const [name, tensor] of graph.initializers) b.initializers.set(name, tensor);
  const feeds = new Map<string, Tensor>();
  const shapes = new Map<string, readonly number[]>();
  graph.inputs.forEach(({ name }, index) => {
    const file = join(folder, `input_${index}.pb`);
    if (!existsSync(file)) return;
    const tensor = decodeTensor(readFileSync(file));
    shapes.set(name, tensor.shape);
    // Types that a feed does not carry stand in the graph as constants.
    if (isFeed(tensor)) feeds.set(name, tensor);
    else b.initializers.set(name, tensor);
  });
  for (const [name, tensor] of b.initializers) shapes.set(name, tensor.shape);
  lower(b, graph.nodes, shapes);
  const inputs = [...feeds].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const { outputs } = graph;
  const model = encodeModel(b.finish({ name: 'case', opset: TRAINING_OPSET, inputs, outputs }));
  const session = await createSession(model, { threads: 1, optimisation: 'disabled' });
  try {
    const results = await session.run(feeds);
    for (const [index, { name }] of outputs.entries()) {
      const expected = decodeTensor(readFileSync(join(folder, `output_${index}.pb`)));
      const difference = compare(results.get(name) as Tensor, expected);
      if (difference !== undefined) return `${name}: ${difference}`;
    }
    return undefined;
  } finally {
    await session.release();
  }
}

function isFeed(tensor: IrTensor): tensor is Tensor {
  return !['bool', 'float16', 'int4', 'uint4'].includes(tensor.dtype);
}

function compare(actual: Tensor, expected: IrTensor): string | undefined {
  if (actual.shape.join() !== expected.shape.join())
    return `shape [${actual.shape.join(', ')}] instead of [${expected.shape.join(', ')}]`;
  const count = elementCount(expected.shape);
  for (let index = 0; index < count; index++) {
    const [left, right] = [Number(actual.data[index]), Number(expected.data[index])];
    if (Object.is(left, right) || left === right || (Number.isNaN(left) && Number.isNaN(right))) continue;
    if (!(Math.abs(left - right) <= ATOL + RTOL * Math.abs(right)))
      return `element ${index} is ${left} instead of ${right}`;
  }
  return undefined;
}
