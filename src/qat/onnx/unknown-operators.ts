// Operators of other domains than ONNX's: the runtime computes some of them; the others are plug-ins of a device's own runtime,
// which can stand behind the heads and are carried along unseen. Not for operators of ONNX itself, nor for where quantisers sit
// around those that the runtime has: that is the placement's.
import { createSession, RuntimeError } from '../runtime/onnxruntime.ts';
import { encodeModel } from './codec.ts';
import type { GraphIr, IrNode } from './ir.ts';
import { UnsupportedModelError } from './unsupported-model.ts';

/** @returns those nodes whose operators the runtime does not have. */
export async function unknownOperators(nodes: readonly IrNode[], opset: number): Promise<readonly IrNode[]> {
  const known = new Map<string, boolean>();
  const unknown: IrNode[] = [];
  for (const node of nodes) {
    if (node.domain === '') continue;
    const operator = operatorOf(node);
    if (!known.has(operator)) known.set(operator, await isKnown(node, opset));
    if (known.get(operator) === false) unknown.push(node);
  }
  return unknown;
}

/** @throws UnsupportedModelError naming the first of them; for what headgate has to compute. */
export async function refuseUnknownOperators(nodes: readonly IrNode[], opset: number): Promise<void> {
  const [node] = await unknownOperators(nodes, opset);
  if (node === undefined) return;
  throw new UnsupportedModelError(
    `node "${node.name}" (${operatorOf(node)}): onnxruntime, which headgate computes with, has no such operator: end the head before it, so that it stays behind as post-processing, or export the model with operators of ONNX in its place`,
  );
}

/**
 * The graph without the operators that the runtime does not have and without what depends on them; what those read becomes an
 * output. The graph itself where the runtime has all.
 */
export async function runnablePart(graph: GraphIr): Promise<GraphIr> {
  const unknown = new Set(await unknownOperators(graph.nodes, graph.opset));
  if (unknown.size === 0) return graph;
  const gone = new Set<string>();
  const nodes: IrNode[] = [];
  const ends = new Set<string>();
  for (const node of graph.nodes) {
    if (unknown.has(node) || node.inputs.some((input) => gone.has(input))) {
      for (const output of node.outputs) gone.add(output);
      for (const input of node.inputs) ends.add(input);
    } else nodes.push(node);
  }
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const kept = graph.outputs.filter(({ name }) => !gone.has(name));
  const named = new Set(kept.map(({ name }) => name));
  const more = [...ends].filter((name) => made.has(name) && !named.has(name));
  return { ...graph, nodes, outputs: [...kept, ...more.map((name) => ({ name, dtype: 'float32' as const }))] };
}

function operatorOf({ domain, op }: IrNode): string {
  return `${domain}.${op}`;
}

/** Asked with a graph of this node alone: whatever else the runtime says of it, it says this of an operator unknown to it. */
async function isKnown(node: IrNode, opset: number): Promise<boolean> {
  const named = (names: readonly string[]) =>
    names.filter((name) => name !== '').map((name) => ({ name, dtype: 'float32' as const }));
  const [inputs, outputs] = [named([...new Set(node.inputs)]), named(node.outputs)];
  const graph = { name: 'operator', opset, nodes: [node], initializers: new Map(), inputs, outputs, metadata: {} };
  try {
    const session = await createSession(encodeModel(graph), { threads: 1, optimisation: 'disabled' });
    await session.release();
    return true;
  } catch (cause) {
    if (!(cause instanceof RuntimeError)) throw cause;
    return !cause.message.includes('is not a registered function/op');
  }
}
