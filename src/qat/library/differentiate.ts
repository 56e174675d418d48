// `differentiate`: the vector-Jacobian product of a graph as one graph of standard operators. What is done with the gradients
// (a loss, an optimiser) is the caller's; headgate's own training steps are built in train/.
import { differentiate as reverseWalk, lower } from '../autodiff/differentiate.ts';
import { TRAINING_OPSET } from '../network/reference.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import { int } from '../onnx/ir.ts';
import type { GraphIr, IrNode, ValueInfo } from '../onnx/ir.ts';
import { measureShapes } from '../train/shapes.ts';

export interface DifferentiateOptions {
  /** Values whose gradients are wanted: parameters, or inputs. */
  readonly wanted: readonly string[];
  /** What a free dimension of an input, such as "N", stands for. By default 1. */
  readonly batch?: number;
}

/**
 * @returns a graph that takes the inputs, the wanted constants of `graph` (so that a program can move them) and, for every
 * output, its gradient `upstream.<output>` in the output's shape; and gives the outputs and `gradient.<value>` for every wanted
 * value that reaches one.
 * @throws GradientError naming the node between a wanted value and an output that has no gradient.
 */
export async function differentiate(graph: GraphIr, { wanted, batch = 1 }: DifferentiateOptions): Promise<GraphIr> {
  const b = new GraphBuilder('headgate.g');
  for (const [name, tensor] of graph.initializers) if (!wanted.includes(name)) b.initializers.set(name, tensor);
  const inputs = [...graph.inputs.map((input) => fixed(input, batch)), ...movable(graph, wanted)];
  const shapes = new Map(await measureShapes({ b, nodes: graph.nodes, inputs }));
  const upstream = graph.outputs.map(({ name }): ValueInfo => ({
    name: `upstream.${name}`,
    dtype: 'float32',
    shape: shapes.get(name) ?? [],
  }));
  const seeds = seedNodes(graph.outputs.map(({ name }) => name));
  for (const { name, shape } of upstream) shapes.set(name, (shape ?? []).map(Number));
  for (const { op, inputs: from, outputs } of seeds)
    shapes.set(outputs[0] as string, op === 'Mul' ? (shapes.get(from[0] as string) ?? []) : []);
  const nodes = [...graph.nodes, ...seeds];
  lower(b, nodes, shapes);
  const gradients = reverseWalk(b, nodes, shapes, seeds.at(-1)?.outputs[0] as string, wanted);
  for (const [value, gradient] of gradients) b.emit('Identity', [gradient], {}, { outputs: [`gradient.${value}`] });
  const found = [...gradients.keys()].map((value): ValueInfo => ({ name: `gradient.${value}`, dtype: 'float32' }));
  return b.finish({
    name: graph.name,
    opset: TRAINING_OPSET,
    inputs: [...inputs, ...upstream],
    outputs: [...graph.outputs, ...found],
  });
}

function fixed({ name, dtype, shape }: ValueInfo, batch: number): ValueInfo {
  return { name, dtype, shape: (shape ?? []).map((size) => (typeof size === 'number' ? size : batch)) };
}

function movable({ initializers }: GraphIr, wanted: readonly string[]): readonly ValueInfo[] {
  return wanted.flatMap((name) => {
    const tensor = initializers.get(name);
    return tensor === undefined ? [] : [{ name, dtype: tensor.dtype, shape: tensor.shape }];
  });
}

/** The sum over all outputs of output · upstream: its gradient is the product that is asked for. */
function seedNodes(outputs: readonly string[]): readonly IrNode[] {
  const node = (op: string, name: string, inputs: readonly string[]): IrNode => {
    const attributes = op === 'ReduceSum' ? { keepdims: int(0) } : {};
    return { op, domain: '', name, inputs, outputs: [name], attributes };
  };
  const nodes: IrNode[] = [];
  let total: string | undefined;
  for (const output of outputs) {
    const [product, sum] = [`product.${output}`, `sum.${output}`];
    nodes.push(node('Mul', product, [output, `upstream.${output}`]), node('ReduceSum', sum, [product]));
    if (total !== undefined) nodes.push(node('Add', `total.${output}`, [total, sum]));
    total = nodes.at(-1)?.outputs[0];
  }
  return nodes;
}
