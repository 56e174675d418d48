// The cases of test/golden/operators.safetensors: one node each, as headgate lowers, differentiates and runs it, and the
// values that PyTorch computed.
import { differentiate, lower } from '../../../src/qat/autodiff/differentiate.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import type { Attribute, IrNode } from '../../../src/qat/onnx/ir.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { readGolden } from '../golden-file.ts';
import { runBuilder, runGraph } from '../graphs.ts';
import type { Optimisation } from '../graphs.ts';
import { TRAINING_OPSET } from '../../../src/qat/network/reference.ts';

export interface OperatorCase {
  readonly name: string;
  readonly rule: string;
  /** '' is an omitted input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly wanted: readonly string[];
  /** Inputs that are truth values; the file holds them as 0 and 1. */
  readonly truth: readonly string[];
  /** False on a kink, where no central difference is the gradient. */
  readonly differences: boolean;
  readonly attributes: { readonly [name: string]: Attribute };
}

const golden = readGolden<OperatorCase>('operators.safetensors');

export const operatorCases = golden.cases;

export function reference(test: OperatorCase, what: string): Tensor {
  return golden.tensor(`${test.name}/${what}`);
}

/** Outputs that something flows back from. */
export function weighed(test: OperatorCase): readonly string[] {
  return test.outputs.filter((output) => golden.has(`${test.name}/upstream.${output}`));
}

export function nodeOf(test: OperatorCase): IrNode {
  const { rule, name, inputs, outputs, attributes } = test;
  return { op: rule, domain: '', name, inputs, outputs, attributes };
}

/** A builder that holds the case's constants, and what is fed. */
export function start(test: OperatorCase): { readonly b: GraphBuilder; readonly feeds: Map<string, Tensor> } {
  const b = new GraphBuilder();
  const feeds = new Map<string, Tensor>();
  for (const input of test.inputs.filter((name) => name !== '')) {
    const tensor = reference(test, `in.${input}`);
    if (test.wanted.includes(input)) feeds.set(input, tensor);
    else b.initializers.set(input, test.truth.includes(input) ? { ...tensor, dtype: 'bool' } : tensor);
  }
  return { b, feeds };
}

/** Shapes of inputs and outputs; those of outputs by running the node. */
export async function shapesOf(test: OperatorCase): Promise<Map<string, readonly number[]>> {
  const { b, feeds } = start(test);
  const shapes = new Map<string, readonly number[]>();
  for (const input of test.inputs) if (input !== '') shapes.set(input, reference(test, `in.${input}`).shape);
  lower(b, [nodeOf(test)], shapes);
  const measured = test.outputs.map((output) => b.emit('Shape', [output]));
  const graph = b.finish({
    name: 'shapes',
    opset: TRAINING_OPSET,
    inputs: [...feeds].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    outputs: measured.map((name) => ({ name, dtype: 'int64' })),
  });
  const results = await runGraph(graph, feeds);
  test.outputs.forEach((output, index) =>
    shapes.set(output, Array.from(results.get(measured[index] as string)?.data ?? [], Number)),
  );
  return shapes;
}

/** Outputs and gradients as headgate computes them, by the golden file's names. */
export async function runCase(test: OperatorCase, optimisation: Optimisation): Promise<ReadonlyMap<string, Tensor>> {
  const shapes = await shapesOf(test);
  const { b, feeds } = start(test);
  const nodes = [nodeOf(test)];
  const terms = weighed(test).map((output) => {
    feeds.set(`upstream.${output}`, reference(test, `upstream.${output}`));
    nodes.push(plain('Mul', [output, `upstream.${output}`], `weighed.${output}`));
    nodes.push({ ...plain('ReduceSum', [`weighed.${output}`], `sum.${output}`), attributes: { keepdims: int(0) } });
    for (const name of [`weighed.${output}`, `upstream.${output}`]) shapes.set(name, shapes.get(output) ?? []);
    shapes.set(`sum.${output}`, []);
    return `sum.${output}`;
  });
  nodes.push(plain('Sum', terms, 'loss'));
  shapes.set('loss', []);
  lower(b, nodes, shapes);
  const gradients = differentiate(b, nodes, shapes, 'loss', test.wanted);
  const asked = new Map(weighed(test).map((output) => [`out.${output}`, output]));
  for (const [input, gradient] of gradients) asked.set(`grad.${input}`, gradient);
  const results = await runBuilder(b, feeds, [...asked.values()], { optimisation });
  return new Map([...asked].map(([name, value]) => [name, results.get(value) as Tensor]));
}

function plain(op: string, inputs: readonly string[], output: string): IrNode {
  return { op, domain: '', name: output, inputs, outputs: [output], attributes: {} };
}
