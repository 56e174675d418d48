// Frees the batch of an imported graph, and takes sizes out of it that only the batch could change: shape computations become
// constants, reshapes that were written for one image take any number, zero channels put behind by ConstantOfShape become a Pad.
// What a graph computes for one image stays what it was.
import { intOf } from './ir.ts';
import type { GraphIr, IrNode, IrTensor } from './ir.ts';
import { evaluate, measureValueShapes } from './evaluate.ts';
import { GraphEdit } from './graph-edit.ts';
import { RuntimeError } from '../runtime/onnxruntime.ts';
import { runnablePart } from './unknown-operators.ts';
import { UnsupportedModelError } from './unsupported-model.ts';
import { zerosForInputs } from './zero-inputs.ts';

/** Graphs whose inputs have other batches than the first, or free sizes besides it, come back as they are. */
export async function freeBatch(graph: GraphIr): Promise<GraphIr> {
  const batch = graph.inputs[0]?.shape?.[0];
  const alike = graph.inputs.every(
    ({ shape = [] }) => shape[0] === batch && shape.slice(1).every((size) => typeof size === 'number'),
  );
  if (batch === undefined || !alike) return graph;
  if (typeof batch === 'string' && !graph.nodes.some((node) => node.op === 'Shape')) return graph;
  const free = typeof batch === 'number' ? await freeReshapes(graph, batch) : graph;
  // What follows an operator of another runtime stays as it is.
  const run = await runnablePart(free);
  const derived = shapeComputations(run);
  const values = derived.flatMap((node) => node.outputs);
  const one = await evaluate(run, zerosForInputs(run, 1), values);
  const two = await evaluateTwo(run, values);
  const edit = new GraphEdit(free);
  for (const [value, tensor] of one) if (sameTensor(tensor, two.get(value))) edit.initializers.set(value, tensor);
  const shapes = await measureValueShapes(run, zerosForInputs(run, 1), resized(run));
  const nodes = free.nodes
    .filter((node) => !node.outputs.every((output) => edit.initializers.has(output)))
    .map((node) => withoutDynamicSizes(node, { edit, one, two, shapes, graph: free }));
  const named = new Set(graph.outputs.map((output) => output.name));
  return {
    ...free,
    nodes: withoutUnread(nodes, new Set(derived), named),
    initializers: edit.initializers,
    inputs: graph.inputs.map((input) => ({ ...input, shape: ['N', ...(input.shape ?? []).slice(1)] })),
    outputs: graph.outputs.map((output) =>
      output.shape?.[0] === batch && typeof batch === 'number'
        ? { ...output, shape: ['N', ...output.shape.slice(1)] }
        : output,
    ),
  };
}

/** Reshapes to a constant shape that begins with the declared batch: 0 there copies whatever batch comes. */
async function freeReshapes(graph: GraphIr, batch: number): Promise<GraphIr> {
  const reshapes = graph.nodes.filter(
    (node) => node.op === 'Reshape' && graph.initializers.has(node.inputs[1] as string),
  );
  const run = await runnablePart(graph);
  const shapes = await measureValueShapes(
    run,
    zerosForInputs(run),
    reshapes.map((node) => node.inputs[0] as string),
  );
  const edit = new GraphEdit(graph);
  const replaced = new Map<IrNode, IrNode>();
  for (const node of reshapes) {
    const target = Array.from(graph.initializers.get(node.inputs[1] as string)?.data ?? [], Number);
    const from = shapes.get(node.inputs[0] as string) ?? [];
    if (target[0] !== batch || from[0] !== batch || intOf(node, 'allowzero', 0) === 1) continue;
    const rest = target.slice(1).map((size, index) => (size === 0 ? (from[index + 1] ?? 0) : size));
    const kept = rest.includes(-1) || product(rest) === product(from.slice(1));
    if (kept) replaced.set(node, { ...node, inputs: [node.inputs[0] as string, edit.int64([0, ...rest])] });
  }
  return { ...graph, nodes: graph.nodes.map((node) => replaced.get(node) ?? node), initializers: edit.initializers };
}

/** @throws UnsupportedModelError when the graph cannot take two images. */
async function evaluateTwo(graph: GraphIr, values: readonly string[]): Promise<ReadonlyMap<string, IrTensor>> {
  const outputs = graph.outputs.map((output) => output.name);
  const feeds = zerosForInputs(graph, 2);
  const freed = {
    ...graph,
    inputs: graph.inputs.map((input) => ({ ...input, shape: ['N', ...(input.shape ?? []).slice(1)] })),
  };
  try {
    // The whole graph, so that a part that holds only one image is found here and not in the middle of a training.
    await measureValueShapes(freed, feeds, outputs);
    return await evaluate(freed, feeds, values);
  } catch (cause) {
    if (!(cause instanceof RuntimeError)) throw cause;
    throw new UnsupportedModelError(
      `the model cannot take two images at a time: ${cause.message}; export it with a dynamic batch, or cut it before this node`,
    );
  }
}

const source: ReadonlySet<string> = new Set(['Shape', 'Size']);

/** Nodes whose values depend on shapes alone. */
function shapeComputations(graph: GraphIr): readonly IrNode[] {
  const known = new Set<string>();
  return graph.nodes.filter((node) => {
    const inputs = node.inputs.filter((name) => name !== '' && !graph.initializers.has(name));
    const derived = source.has(node.op) || (inputs.length > 0 && inputs.every((name) => known.has(name)));
    if (derived) for (const output of node.outputs) known.add(output);
    return derived;
  });
}

interface Sizes {
  readonly edit: GraphEdit;
  readonly one: ReadonlyMap<string, IrTensor>;
  readonly two: ReadonlyMap<string, IrTensor>;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly graph: GraphIr;
}

const resized = (graph: GraphIr): readonly string[] =>
  graph.nodes.filter((node) => node.op === 'Resize').map((node) => node.inputs[0] as string);

function withoutDynamicSizes(node: IrNode, sizes: Sizes): IrNode {
  switch (node.op) {
    case 'Reshape':
      return staticReshape(node, sizes);
    case 'Resize':
      return staticResize(node, sizes);
    case 'Concat':
      return padInstead(node, sizes) ?? node;
    default:
      return node;
  }
}

/** A shape of which the batch changes one size: that one is left to be inferred. */
function staticReshape(node: IrNode, { edit, one, two }: Sizes): IrNode {
  const [left, right] = [one.get(node.inputs[1] as string), two.get(node.inputs[1] as string)];
  if (left === undefined || right === undefined || edit.initializers.has(node.inputs[1] as string)) return node;
  const [before, after] = [Array.from(left.data, Number), Array.from(right.data, Number)];
  const moved = before.flatMap((size, index) => (size === after[index] ? [] : [index]));
  const [index] = moved;
  if (index === undefined || moved.length > 1) return node;
  const inferred = before.includes(-1) ? 0 : -1;
  if (inferred === 0 && index !== 0) return node;
  const shape = before.map((size, at) => (at === index ? inferred : size));
  return { ...node, inputs: [node.inputs[0] as string, edit.int64(shape)] };
}

/** Target sizes with the batch among them become factors where these are whole numbers, else sizes of the other axes. */
function staticResize(node: IrNode, { edit, one, shapes, graph }: Sizes): IrNode {
  const [x, roi = '', , sizes = ''] = node.inputs as readonly [string, ...string[]];
  const target = one.get(sizes) ?? graph.initializers.get(sizes);
  const from = shapes.get(x);
  if (target === undefined || from === undefined || node.attributes['axes'] !== undefined) return node;
  const factors = Array.from(target.data, Number).map((size, axis) => size / (from[axis] as number));
  const whole = factors.every(Number.isInteger);
  if (whole) return { ...node, inputs: [x, roi, edit.float(factors, [factors.length])] };
  const axes = factors.map((_, axis) => axis).filter((axis) => axis > 0);
  const rest = axes.map((axis) => Number(target.data[axis]));
  const attributes = { ...node.attributes, axes: { kind: 'ints', value: axes } as const };
  return { ...node, inputs: [x, roi, '', edit.int64(rest)], attributes };
}

/** Constant channels before or behind a value. */
function padInstead(node: IrNode, { edit, one, two, graph }: Sizes): IrNode | undefined {
  const [first, second, ...others] = node.inputs as readonly [string, string, ...string[]];
  if (others.length > 0 || intOf(node, 'axis', 0) !== 1) return undefined;
  const isFill = (name: string): boolean =>
    graph.nodes.some((made) => made.op === 'ConstantOfShape' && made.outputs[0] === name);
  const [value, fill] = isFill(second) ? [first, second] : [second, first];
  const tensor = one.get(fill);
  if (!isFill(fill) || tensor === undefined || two.get(fill) === undefined || tensor.dtype !== 'float32')
    return undefined;
  const rank = tensor.shape.length;
  const pads = Array.from({ length: 2 * rank }, () => 0);
  pads[fill === second ? rank + 1 : 1] = tensor.shape[1] as number;
  const inputs = [value, edit.int64(pads), edit.float([Number(tensor.data[0] ?? 0)], [])];
  return { ...node, op: 'Pad', inputs, attributes: {} };
}

function withoutUnread(
  nodes: readonly IrNode[],
  removable: ReadonlySet<IrNode>,
  named: ReadonlySet<string>,
): readonly IrNode[] {
  const read = new Set(named);
  const kept: IrNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (removable.has(node) && !node.outputs.some((output) => read.has(output))) continue;
    for (const input of node.inputs) read.add(input);
    kept.unshift(node);
  }
  return kept;
}

function sameTensor(left: IrTensor, right: IrTensor | undefined): boolean {
  return right?.shape.join() === left.shape.join() && right.data.every((value, index) => value === left.data[index]);
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}
