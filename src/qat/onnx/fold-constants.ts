// Nodes that read nothing but constants, as exporters leave them when they do not fold themselves: an Identity or Transpose of
// a weight, a Concat that puts Resize's scales together, a Split of paddings. Their results become initializers of their own,
// so that each parameter belongs to one layer again.
import { evaluate } from './evaluate.ts';
import type { GraphIr, IrNode } from './ir.ts';

/** Takes nodes in topological order. @throws RuntimeError when the runtime cannot compute a constant. */
export async function foldConstants(graph: GraphIr): Promise<GraphIr> {
  const constant = new Set(graph.initializers.keys());
  const folded: IrNode[] = [];
  for (const node of graph.nodes) {
    if (!isFoldable(node, constant)) continue;
    folded.push(node);
    for (const output of node.outputs) constant.add(output);
  }
  const values = folded.flatMap((node) => node.outputs).filter((name) => name !== '');
  const results = await evaluate(graph, new Map(), values);
  const gone = new Set(folded);
  return {
    ...graph,
    nodes: graph.nodes.filter((node) => !gone.has(node)),
    initializers: new Map([...graph.initializers, ...results]),
  };
}

function isFoldable({ op, domain, inputs }: IrNode, constant: ReadonlySet<string>): boolean {
  if (domain !== '' || inputs.length === 0 || op.startsWith('Random') || op === 'Bernoulli') return false;
  return inputs.every((input) => input === '' || constant.has(input));
}
