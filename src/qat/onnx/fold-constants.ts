// Nodes that only rearrange constants, as exporters leave them when they do not fold themselves: an Identity for every
// parameter whose values another one has too, a Concat that puts Resize's scales together. Their results become
// initializers of their own, so that each parameter belongs to one layer again.
import { arrayOf, elementCount } from '../../support/tensor.ts';
import { intOf } from './ir.ts';
import type { GraphIr, IrNode, IrTensor } from './ir.ts';

/** Takes nodes in topological order. */
export function foldConstants(graph: GraphIr): GraphIr {
  const initializers = new Map<string, IrTensor>(graph.initializers);
  const nodes = graph.nodes.filter((node) => {
    const inputs = node.inputs.map((name) => initializers.get(name));
    const folded = inputs.every((tensor) => tensor !== undefined) ? fold(node, inputs) : undefined;
    if (folded !== undefined) initializers.set(node.outputs[0] as string, folded);
    return folded === undefined;
  });
  return { ...graph, nodes, initializers };
}

function fold(node: IrNode, inputs: readonly IrTensor[]): IrTensor | undefined {
  if (node.domain !== '') return undefined;
  switch (node.op) {
    case 'Identity':
      return inputs[0];
    case 'Concat':
      return intOf(node, 'axis', 0) === 0 ? joined(inputs) : undefined;
    default:
      return undefined;
  }
}

/** Along the first axis, where the values of one stand behind those of the other. */
function joined(parts: readonly IrTensor[]): IrTensor | undefined {
  const [first] = parts;
  if (first === undefined || parts.some(({ dtype }) => dtype !== first.dtype)) return undefined;
  const shape = [parts.reduce((sum, part) => sum + (part.shape[0] ?? 1), 0), ...first.shape.slice(1)];
  if (first.dtype === 'int64') {
    const data = new BigInt64Array(elementCount(shape));
    fill(parts, (part, offset) => data.set(part.data as BigInt64Array, offset));
    return { dtype: 'int64', shape, data };
  }
  if (first.dtype !== 'float32' && first.dtype !== 'int32') return undefined;
  const data = new arrayOf[first.dtype](elementCount(shape));
  fill(parts, (part, offset) => data.set(part.data as Float32Array | Int32Array, offset));
  return { dtype: first.dtype, shape, data };
}

function fill(parts: readonly IrTensor[], put: (part: IrTensor, offset: number) => void): void {
  let offset = 0;
  for (const part of parts) {
    put(part, offset);
    offset += part.data.length;
  }
}
