// Shapes of all forward values, read off one run of the lowered forward graph on zeros: no shape inference of our own.
import { lower } from '../autodiff/differentiate.ts';
import { TRAINING_OPSET } from '../network/reference.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import { encodeModel } from '../onnx/codec.ts';
import type { IrNode, ValueInfo } from '../onnx/ir.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import { elementCount } from '../../support/tensor.ts';
import type { Tensor } from '../../support/tensor.ts';
import { isLoss } from './losses.ts';

export interface ForwardGraph {
  /** Holds the constants and, already lowered, the nodes that take the state apart. */
  readonly b: GraphBuilder;
  /** Un-lowered; the losses and what follows them stand at the end. */
  readonly nodes: readonly IrNode[];
  readonly inputs: readonly ValueInfo[];
}

/** @returns shapes of constants, inputs and the values of `nodes`; losses are scalars. Runs the graph once. */
export async function measureShapes({
  b,
  nodes,
  inputs,
}: ForwardGraph): Promise<ReadonlyMap<string, readonly number[]>> {
  const shapes = new Map<string, readonly number[]>();
  for (const [name, tensor] of b.initializers) shapes.set(name, tensor.shape);
  for (const { name, shape } of inputs) shapes.set(name, sizes(shape));
  // Lowerings that need shapes only need those of parameters and of earlier values with parameters' shapes.
  for (const node of b.nodes) if (node.op === 'Reshape') shapes.set(node.outputs[0] as string, constantShape(b, node));

  // A loss lowering reads its logits' shape, so losses come after the run, once the network's shapes are known.
  const firstLoss = nodes.findIndex(isLoss);
  const network = firstLoss < 0 ? nodes : nodes.slice(0, firstLoss);
  const probe = new GraphBuilder('s');
  for (const [name, tensor] of b.initializers) probe.initializers.set(name, tensor);
  probe.nodes.push(...b.nodes);
  lower(probe, network, shapes);
  const lowered = new Set(probe.nodes.flatMap((node) => node.outputs));
  const asked = network.flatMap((node) => node.outputs).filter((name) => lowered.has(name));
  // Shapes, not values, come out: those have one type whatever the values' is, and copy nothing.
  const outputs = asked.map((name): ValueInfo => {
    const shape = probe.emit('Shape', [name], {}, { outputs: [`shape.${name}`] });
    return { name: shape, dtype: 'int64' };
  });
  const model = encodeModel(probe.finish({ name: 'shapes', opset: TRAINING_OPSET, inputs, outputs }));
  for (const [name, { data }] of await runOnZeros(model, inputs))
    shapes.set(name.slice('shape.'.length), Array.from(data, Number));
  for (const node of nodes.slice(network.length)) for (const output of node.outputs) shapes.set(output, []);
  return shapes;
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

function constantShape(b: GraphBuilder, node: IrNode): readonly number[] {
  const tensor = b.initializers.get(node.inputs[1] as string);
  return tensor === undefined ? [] : Array.from(tensor.data, Number);
}
