// Nodes of opsets 9 to 21 spelled as opset 18 has them, which the reference and training graphs run: attributes that became
// inputs, defaults that changed, operators that were renamed. One rule per operator; an operator without a rule means the same
// in all of these opsets.
import type { GraphIr, IrNode } from './ir.ts';
import { measureValueShapes } from './evaluate.ts';
import { conversions, GraphEdit } from './opset-rules.ts';
import type { ConversionContext } from './opset-rules.ts';
import { UnsupportedModelError } from './unsupported-model.ts';
import { zerosForInputs } from './zero-inputs.ts';

export const GRAPH_OPSET = 18;
const OLDEST = 9;
const NEWEST = 21;

/** @throws UnsupportedModelError for other opsets, and for what has no spelling in opset 18. */
export async function convertOpset(graph: GraphIr): Promise<GraphIr> {
  if (graph.opset === GRAPH_OPSET) return graph;
  if (graph.opset < OLDEST || graph.opset > NEWEST)
    throw new UnsupportedModelError(
      `the model uses opset ${graph.opset}; headgate imports opsets ${OLDEST} to ${NEWEST}: convert it (onnx.version_converter) or export it again`,
    );
  const ranks = await ranksBeside(graph);
  const edit = new GraphEdit(graph);
  const context: ConversionContext = { edit, opset: graph.opset, rankOf: (value) => ranks.get(value) };
  const nodes = graph.nodes.flatMap((node) => {
    const convert = node.domain === '' ? conversions[node.op] : undefined;
    return convert === undefined ? [node] : convert(node, context);
  });
  return { ...graph, opset: GRAPH_OPSET, nodes, initializers: edit.initializers };
}

/** Ranks of what Softmax and its like read, which their old meaning depends on. */
async function ranksBeside(graph: GraphIr): Promise<ReadonlyMap<string, number>> {
  const asking = (node: IrNode): boolean => ['Softmax', 'LogSoftmax', 'Hardmax'].includes(node.op);
  const values = graph.opset < 13 ? graph.nodes.filter(asking).map((node) => node.inputs[0] as string) : [];
  if (values.length === 0) return new Map();
  const shapes = await measureValueShapes(graph, zerosForInputs(graph), values);
  return new Map([...shapes].map(([value, shape]) => [value, shape.length]));
}
