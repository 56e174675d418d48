// The tiny network as somebody else's exporter would have written it: trained weights inside, no scopes in the metadata, and
// spellings that headgate itself does not use.
import { readFile, writeFile } from 'node:fs/promises';
import { decodeModel, encodeModel } from '../../src/qat/onnx/codec.ts';
import type { GraphIr, IrNode, IrTensor } from '../../src/qat/onnx/ir.ts';
import { checkpointAt } from './artifacts.ts';

export const BOUNDARY = ['backbone.block1.pointwise.relu', 'backbone.out4.pointwise.relu'] as const;
export const HEADS = {
  detection: { outputs: ['detection.out'] },
  segmentation: { outputs: ['segmentation.out'] },
} as const;

/** @param checkpoints trained scopes whose tensors go into the file. */
export async function writeForeignModel(
  path: string,
  model: string,
  checkpoints: readonly string[],
  change: (graph: GraphIr) => GraphIr = (graph) => graph,
): Promise<string> {
  const graph = decodeModel(await readFile(model));
  const initializers = new Map<string, IrTensor>(graph.initializers);
  for (const checkpoint of checkpoints)
    for (const [name, tensor] of (await checkpointAt(checkpoint)).parameters) initializers.set(name, tensor);
  await writeFile(path, encodeModel(change({ ...graph, initializers, metadata: {} })));
  return path;
}

/** Every initializer as a Constant node. */
export function constantsAsNodes(graph: GraphIr): GraphIr {
  const constants = [...graph.initializers].map(([name, value], index): IrNode => ({
    op: 'Constant',
    domain: '',
    name: `constant${index}`,
    inputs: [],
    outputs: [name],
    attributes: { value: { kind: 'tensor', value } },
  }));
  return { ...graph, nodes: [...constants, ...graph.nodes], initializers: new Map() };
}

/** Parameters of equal values are written once and reached through Identity, as PyTorch's exporter does. */
export function equalParametersShared(graph: GraphIr): GraphIr {
  const first = new Map<string, string>();
  const initializers = new Map<string, IrTensor>();
  const copies: IrNode[] = [];
  for (const [name, tensor] of graph.initializers) {
    const values = `${tensor.dtype} ${tensor.shape.join()} ${tensor.data.join()}`;
    const known = first.get(values);
    if (known === undefined) {
      first.set(values, name);
      initializers.set(name, tensor);
    } else {
      const node = { op: 'Identity', domain: '', name: `identity${copies.length}`, attributes: {} };
      copies.push({ ...node, inputs: [known], outputs: [name] });
    }
  }
  return { ...graph, nodes: [...copies, ...graph.nodes], initializers };
}
