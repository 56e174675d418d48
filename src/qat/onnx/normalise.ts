// Spellings of foreign exporters brought to one form: nodes stand in topological order, Constant nodes and nodes that only
// rearrange constants become initializers, and every opset is spelled as opset 18.
// What headgate cannot quantise is refused with the node's name.
import { OnnxError } from './codec.ts';
import { foldConstants } from './fold-constants.ts';
import type { GraphIr, IrNode, IrTensor } from './ir.ts';
import { upgradeOpset } from './upgrade.ts';

const refused: ReadonlyMap<string, string> = new Map([
  ['QuantizeLinear', 'the model is already quantised: import the float model it was made from'],
  ['DequantizeLinear', 'the model is already quantised: import the float model it was made from'],
  ['QLinearConv', 'the model is already quantised: import the float model it was made from'],
  ['If', 'control flow cannot be quantised: cut the model before it'],
  ['Loop', 'control flow cannot be quantised: cut the model before it'],
  ['Scan', 'control flow cannot be quantised: cut the model before it'],
  ['LSTM', 'recurrent operators are not supported: keep this part out of the model'],
  ['RNN', 'recurrent operators are not supported: keep this part out of the model'],
  ['GRU', 'recurrent operators are not supported: keep this part out of the model'],
]);

/** A sound file that headgate has no way to quantise: nothing to repair, but to export otherwise. */
export class UnsupportedModelError extends OnnxError {
  override readonly name = 'UnsupportedModelError';
}

/** @throws OnnxError naming the node that cannot be taken. */
export function normaliseImported(graph: GraphIr): GraphIr {
  const initializers = new Map<string, IrTensor>(graph.initializers);
  const nodes: IrNode[] = [];
  for (const node of graph.nodes) {
    const why = refused.get(node.op);
    if (why !== undefined) refuse(node, why);
    if (node.op === 'Constant') initializers.set(node.outputs[0] as string, constantOf(node));
    else nodes.push(node);
  }
  const known = new Set([...initializers.keys(), ...graph.inputs.map((input) => input.name)]);
  const plain = { ...graph, nodes: ordered(nodes, known), initializers };
  return foldConstants(upgradeOpset(plain, refuse));
}

function refuse(node: IrNode, why: string): never {
  throw new UnsupportedModelError(`node "${node.name}" (${node.op}): ${why}`);
}

function constantOf(node: IrNode): IrTensor {
  const { value, value_float: single, value_ints: ints, value_int: integer, value_floats: floats } = node.attributes;
  if (value?.kind === 'tensor') return value.value;
  if (single?.kind === 'float') return { dtype: 'float32', shape: [], data: Float32Array.of(single.value) };
  if (floats?.kind === 'floats')
    return { dtype: 'float32', shape: [floats.value.length], data: Float32Array.from(floats.value) };
  if (integer?.kind === 'int') return { dtype: 'int64', shape: [], data: int64Of([integer.value]) };
  if (ints?.kind === 'ints') return { dtype: 'int64', shape: [ints.value.length], data: int64Of(ints.value) };
  throw new OnnxError(`node "${node.name}" (Constant) holds no value that headgate reads`);
}

/** 2⁶³ − 1 ("to the end") is 2⁶³ as a number and must not wrap around. */
function int64Of(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values.map((value) => (value >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(value))));
}

/** Kahn's algorithm, keeping the file's order among ready nodes. */
function ordered(nodes: readonly IrNode[], known: Set<string>): readonly IrNode[] {
  const waiting = [...nodes];
  const sorted: IrNode[] = [];
  while (waiting.length > 0) {
    const before = waiting.length;
    for (let index = 0; index < waiting.length;) {
      const node = waiting[index] as IrNode;
      if (!node.inputs.every((input) => input === '' || known.has(input))) {
        index++;
        continue;
      }
      node.outputs.forEach((output) => known.add(output));
      sorted.push(node);
      waiting.splice(index, 1);
    }
    if (waiting.length === before) {
      const node = waiting[0] as IrNode;
      throw new OnnxError(
        `node "${node.name}" (${node.op}) reads "${node.inputs.find((input) => input !== '' && !known.has(input)) ?? ''}", which nothing makes`,
      );
    }
  }
  return sorted;
}
