// How many axes the values of a graph have, as far as the operators say it: enough to know which axis of a layer's output a
// batch norm after it normalises. Nothing is run; a rank that is not known is left out, and who asks does without.
import { intOf } from '../onnx/ir.ts';
import type { GraphIr, IrNode } from '../onnx/ir.ts';

const flat: ReadonlySet<string> = new Set(['Gemm', 'Flatten']);
/** Operators whose output has as many axes as their first input. */
const kept: ReadonlySet<string> = new Set(
  [
    'Conv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool BatchNormalization LayerNormalization',
    'InstanceNormalization GroupNormalization LRN Relu LeakyRelu Clip Sigmoid Tanh HardSigmoid HardSwish Elu Selu Softplus',
    'Softsign Mish Gelu Celu ThresholdedRelu Erf Exp Log Sqrt Abs Neg Reciprocal Floor Ceil Round Sign Not Cast Identity',
    'Dropout Softmax LogSoftmax Transpose Slice Pad Resize Concat Split CumSum DepthToSpace SpaceToDepth Tile',
  ]
    .join(' ')
    .split(' '),
);
/** Operators whose output has as many axes as the input that has most. */
const broadcast: ReadonlySet<string> = new Set(
  'Add Sub Mul Div Pow Min Max Sum Mean PRelu Where Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor'.split(
    ' ',
  ),
);

/** @returns value → number of its axes, for the values whose ranks the graph's operators, constants and inputs tell. */
export function ranksOf(graph: GraphIr): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (const { name, shape } of graph.inputs) if (shape !== undefined) ranks.set(name, shape.length);
  for (const [name, { shape }] of graph.initializers) ranks.set(name, shape.length);
  for (const node of graph.nodes) {
    const rank = node.domain === '' ? rankAfter(graph, node, ranks) : undefined;
    if (rank === undefined || rank < 0) continue;
    for (const output of node.outputs) ranks.set(output, rank);
  }
  return ranks;
}

function rankAfter(graph: GraphIr, node: IrNode, ranks: ReadonlyMap<string, number>): number | undefined {
  const known = node.inputs.filter((name) => name !== '').map((name) => ranks.get(name));
  const [first] = known;
  if (flat.has(node.op)) return 2;
  if (kept.has(node.op)) return first;
  if (broadcast.has(node.op)) return largest(known);
  if (node.op === 'MatMul') return productRank(first, known[1]);
  if (node.op === 'Reshape') return graph.initializers.get(node.inputs[1] ?? '')?.data.length;
  if (node.op === 'Expand') return largest([first, graph.initializers.get(node.inputs[1] ?? '')?.data.length]);
  if (node.op === 'Gather') return sum(first, known[1], -1);
  if (node.op === 'Unsqueeze') return sum(first, axesOf(graph, node));
  if (node.op === 'Squeeze') return sum(first, negated(axesOf(graph, node)));
  if (!node.op.startsWith('Reduce')) return undefined;
  return intOf(node, 'keepdims', 1) === 1 ? first : sum(first, negated(axesOf(graph, node)));
}

/** A vector loses its axis in the product. */
function productRank(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (left === 1) return right - 1;
  return right === 1 ? left - 1 : Math.max(left, right);
}

/** How many axes a node names; undefined where they are not constant, or where it means all of them. */
function axesOf(graph: GraphIr, node: IrNode): number | undefined {
  const attribute = node.attributes['axes'];
  const named = attribute?.kind === 'ints' ? attribute.value : graph.initializers.get(node.inputs[1] ?? '')?.data;
  return named === undefined || named.length === 0 ? undefined : named.length;
}

function largest(ranks: readonly (number | undefined)[]): number | undefined {
  return ranks.reduce(
    (most, rank) => (most === undefined || rank === undefined ? undefined : Math.max(most, rank)),
    ranks.length === 0 ? undefined : 0,
  );
}

function sum(...parts: readonly (number | undefined)[]): number | undefined {
  return parts.reduce((total, part) => (total === undefined || part === undefined ? undefined : total + part), 0);
}

function negated(value: number | undefined): number | undefined {
  return value === undefined ? undefined : -value;
}
