// Shapes of all forward values. What the model computes is measured, by one run on zeros without any quantiser; what headgate
// put in between follows from that by its rules. The whole graph is several times the model, and so would be its session.
import { lower } from '../autodiff/differentiate.ts';
import { simplify } from '../autodiff/simplify.ts';
import { TRAINING_OPSET } from '../network/reference.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import { encodeModel } from '../onnx/codec.ts';
import type { IrNode, ValueInfo } from '../onnx/ir.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import { elementCount } from '../../support/tensor.ts';
import type { Tensor } from '../../support/tensor.ts';
import { isLoss } from './losses.ts';
import { shapeRule } from './shape-rules.ts';

export interface ForwardGraph {
  /** Holds the constants and, already lowered, the nodes that take the state apart. */
  readonly b: GraphBuilder;
  /** Un-lowered; the losses and what follows them stand at the end. */
  readonly nodes: readonly IrNode[];
  /** Those of `nodes` that are headgate's own and not the model's: float32 throughout. None where it is left out. */
  readonly own?: ReadonlySet<IrNode>;
  readonly inputs: readonly ValueInfo[];
}

type Shapes = Map<string, readonly number[]>;

/** @returns shapes of constants, inputs and the values of `nodes`; losses are scalars. Runs the model once. */
export async function measureShapes(graph: ForwardGraph): Promise<ReadonlyMap<string, readonly number[]>> {
  const { b, nodes, own = new Set(), inputs } = graph;
  const shapes: Shapes = new Map();
  for (const [name, tensor] of b.initializers) shapes.set(name, tensor.shape);
  for (const { name, shape } of inputs) shapes.set(name, sizes(shape));
  for (const node of b.nodes) tell(b, node, shapes);

  // A loss lowering reads its logits' shape, so losses come after the run, once the network's shapes are known.
  const firstLoss = nodes.findIndex(isLoss);
  const network = firstLoss < 0 ? nodes : nodes.slice(0, firstLoss);
  const isTold = (node: IrNode): boolean => own.has(node) && shapeRule(node) !== undefined;
  const { skeleton, standIns } = withoutOwn(network, isTold);
  const measured = new Set(network.filter((node) => !isTold(node)).flatMap(({ outputs }) => outputs));
  for (const [name, shape] of await measure(graph, skeleton, measured, shapes)) shapes.set(name, shape);
  for (const node of network) if (isTold(node)) tell(b, node, shapes);
  for (const node of network) if (!isTold(node)) confirm(node, standIns, shapes);
  for (const node of nodes.slice(network.length)) for (const output of node.outputs) shapes.set(output, []);
  return shapes;
}

/** Writes what a node's rule says of its outputs. */
function tell(b: GraphBuilder, node: IrNode, shapes: Shapes): void {
  const told = shapeRule(node)?.outputs({
    node,
    shape: (input) => shapes.get(node.inputs[input] as string) as readonly number[],
    constant: (input) => {
      const tensor = b.initializers.get(node.inputs[input] ?? '');
      return tensor === undefined ? undefined : Array.from(tensor.data, Number);
    },
  });
  node.outputs.forEach((output, index) => shapes.set(output, told?.[index] as readonly number[]));
}

interface WithoutOwn {
  readonly skeleton: readonly IrNode[];
  /** Value → another of its shape. */
  readonly standIns: ReadonlyMap<string, string>;
}

/** The nodes with every own one left out that keeps its first input's shape: that input stands in for what it gives. */
function withoutOwn(nodes: readonly IrNode[], isTold: (node: IrNode) => boolean): WithoutOwn {
  const standIns = new Map<string, string>();
  const skeleton: IrNode[] = [];
  for (const node of nodes) {
    const inputs = node.inputs.map((input) => standIns.get(input) ?? input);
    if (isTold(node) && shapeRule(node)?.likeFirst === true)
      standIns.set(node.outputs[0] as string, inputs[0] as string);
    else skeleton.push({ ...node, inputs });
  }
  return { skeleton, standIns };
}

/** What stood in for a measured node's input had its shape; a bug otherwise, not a user's mistake. */
function confirm({ name, inputs }: IrNode, standIns: ReadonlyMap<string, string>, shapes: Shapes): void {
  for (const input of inputs) {
    const standIn = standIns.get(input);
    if (standIn === undefined || String(shapes.get(standIn)) === String(shapes.get(input))) continue;
    throw new Error(`node "${name}": "${input}" has not the shape of "${standIn}", which stood in for it`);
  }
}

async function measure(
  { b, inputs }: ForwardGraph,
  nodes: readonly IrNode[],
  measured: ReadonlySet<string>,
  shapes: Shapes,
): Promise<Shapes> {
  const probe = new GraphBuilder('s');
  for (const [name, tensor] of b.initializers) probe.initializers.set(name, tensor);
  probe.nodes.push(...b.nodes);
  // Lowerings that need shapes only need those of parameters.
  lower(probe, nodes, shapes);
  const asked = probe.nodes.flatMap(({ outputs }) => outputs).filter((name) => measured.has(name));
  if (asked.length === 0) return new Map();
  // Shapes, not values, come out: those have one type whatever the values' is, and copy nothing.
  const outputs = asked.map((name): ValueInfo => {
    const shape = probe.emit('Shape', [name], {}, { outputs: [`shape.${name}`] });
    return { name: shape, dtype: 'int64' };
  });
  simplify(probe, new Set(outputs.map(({ name }) => name)));
  const read = new Set(probe.nodes.flatMap((node) => node.inputs));
  for (const name of b.initializers.keys()) if (!read.has(name)) probe.initializers.delete(name);
  const model = encodeModel(probe.finish({ name: 'shapes', opset: TRAINING_OPSET, inputs, outputs }));
  const results = await runOnZeros(model, inputs);
  return new Map(asked.map((name, index) => [name, numbers(results.get(outputs[index]?.name as string))]));
}

async function runOnZeros(model: Uint8Array, inputs: readonly ValueInfo[]): Promise<ReadonlyMap<string, Tensor>> {
  const session = await createSession(model, { threads: 1, optimisation: 'disabled' });
  const used = inputs.filter(({ name }) => session.inputNames.includes(name));
  const results = await session.run(new Map(used.map((input) => [input.name, zerosFor(input)])));
  await session.release();
  return results;
}

function zerosFor(input: ValueInfo): Tensor {
  const shape = sizes(input.shape);
  const size = elementCount(shape);
  return input.dtype === 'int32'
    ? { dtype: 'int32', shape, data: new Int32Array(size) }
    : { dtype: 'float32', shape, data: new Float32Array(size) };
}

/** Of an input of a training graph, whose dimensions are all fixed. */
function sizes(shape: ValueInfo['shape']): readonly number[] {
  return (shape ?? []).map(Number);
}

function numbers(tensor: Tensor | undefined): readonly number[] {
  return Array.from(tensor?.data ?? [], Number);
}
