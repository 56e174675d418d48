// An image input that comes as [N, H, W, C] and is transposed before the first layer: the transposition is taken out, scaling
// and shifting before it are kept, and the model remembers how its file wants images. Other layouts are left as they are.
import { elementCount } from '../../support/tensor.ts';
import { intsOf } from './ir.ts';
import type { GraphIr, IrNode, IrTensor } from './ir.ts';

/** Metadata of a model whose exported file takes [N, H, W, C], although the graph here takes [N, C, H, W]. */
export const FILE_LAYOUT_KEY = 'headgate.fileLayout';

const elementwise: ReadonlySet<string> = new Set(['Mul', 'Div', 'Add', 'Sub']);

export function channelsFirst(graph: GraphIr): GraphIr {
  const [input, ...others] = graph.inputs;
  if (input?.shape?.length !== 4 || others.length > 0) return graph;
  const chain = chainToTranspose(graph, input.name);
  if (chain === undefined) return graph;
  const [n, h, w, c] = input.shape as [number | string, number | string, number | string, number | string];
  const initializers = new Map<string, IrTensor>(graph.initializers);
  const replaced = new Map<IrNode, IrNode>();
  for (const node of chain) {
    if (node.op === 'Transpose') {
      replaced.set(node, { ...node, op: 'Identity', attributes: {} });
      continue;
    }
    const inputs = node.inputs.map((name) => {
      const tensor = graph.initializers.get(name);
      if (tensor === undefined || elementCount(tensor.shape) === 1) return name;
      const moved = `${name} [C, 1, 1]`;
      initializers.set(moved, { ...tensor, shape: [elementCount(tensor.shape), 1, 1] });
      return moved;
    });
    replaced.set(node, { ...node, inputs });
  }
  return {
    ...graph,
    nodes: graph.nodes.map((node) => replaced.get(node) ?? node),
    inputs: [{ ...input, shape: [n, c, h, w] }],
    initializers,
    metadata: { ...graph.metadata, [FILE_LAYOUT_KEY]: 'NHWC' },
  };
}

/** Nodes from the input to the transposition, each the only reader of the one before it. */
function chainToTranspose(graph: GraphIr, input: string): readonly IrNode[] | undefined {
  const chain: IrNode[] = [];
  let value = input;
  for (;;) {
    const [node, ...others] = graph.nodes.filter((candidate) => candidate.inputs.includes(value));
    if (node === undefined || others.length > 0) return undefined;
    chain.push(node);
    if (node.op === 'Transpose') return intsOf(node, 'perm', []).join() === '0,3,1,2' ? chain : undefined;
    const constants = node.inputs.filter((name) => name !== value).map((name) => graph.initializers.get(name));
    if (!elementwise.has(node.op) || !constants.every((tensor) => tensor !== undefined && alongChannels(tensor)))
      return undefined;
    value = node.outputs[0] as string;
  }
}

/** A scalar, or a vector over the last axis. */
function alongChannels({ shape }: IrTensor): boolean {
  return elementCount(shape) === (shape.at(-1) ?? 1);
}
