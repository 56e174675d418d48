// Spellings of foreign exporters brought to one form: nodes stand in topological order at one opset, constants are
// initializers, the batch is free, the image comes as [N, C, H, W]. What headgate cannot quantise is refused with the node's
// name.
import { channelsFirst } from './channels-first.ts';
import { OnnxError } from './codec.ts';
import { foldConstants } from './fold-constants.ts';
import { freeBatch } from './free-batch.ts';
import { toInt64 } from './int64.ts';
import { intOf } from './ir.ts';
import type { GraphIr, IrNode, IrTensor } from './ir.ts';
import { upgradeOpset } from './upgrade.ts';
import { UnsupportedModelError } from './unsupported-model.ts';

const quantised = 'the model is already quantised: import the float model it was made from';
const control = 'control flow cannot be quantised: cut the model before it';
const recurrent = 'recurrent operators are not supported: keep this part out of the model';

const refused: ReadonlyMap<string, string> = new Map([
  ['QuantizeLinear', quantised],
  ['DequantizeLinear', quantised],
  ['DynamicQuantizeLinear', quantised],
  ['QLinearConv', quantised],
  ['QLinearMatMul', quantised],
  ['ConvInteger', quantised],
  ['MatMulInteger', quantised],
  ['If', control],
  ['Loop', control],
  ['Scan', control],
  ['LSTM', recurrent],
  ['GRU', recurrent],
  ['RNN', recurrent],
]);

const NEWEST_OPSET = 21;

/** @throws OnnxError naming the node that cannot be taken. */
export async function normaliseImported(graph: GraphIr): Promise<GraphIr> {
  const alike = await spellAlike(graph);
  for (const node of alike.nodes) {
    const trains = node.op === 'BatchNormalization' && intOf(node, 'training_mode', 0) !== 0;
    if (trains) refuse(node, 'it is in training mode: export the model for inference');
  }
  return channelsFirst(await freeBatch(withoutCopies(alike)));
}

/** Order, constants and opset only: for any graph, whatever it takes. @throws OnnxError naming the node that cannot be taken. */
export async function spellAlike(graph: GraphIr): Promise<GraphIr> {
  if (graph.opset > NEWEST_OPSET) {
    throw new UnsupportedModelError(
      `the model uses opset ${graph.opset}; headgate imports opsets up to ${NEWEST_OPSET}: convert it (onnx.version_converter) or export it again`,
    );
  }
  const initializers = new Map<string, IrTensor>(graph.initializers);
  const nodes: IrNode[] = [];
  for (const node of graph.nodes) {
    const why = refused.get(node.op) ?? (node.op.startsWith('QLinear') ? quantised : undefined);
    if (why !== undefined) refuse(node, why);
    if (node.op === 'Constant') initializers.set(node.outputs[0] as string, constantOf(node));
    else nodes.push(node);
  }
  const known = new Set([...initializers.keys(), ...graph.inputs.map((input) => input.name)]);
  return foldConstants(upgradeOpset({ ...graph, nodes: ordered(nodes, known), initializers }, refuse));
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
  if (integer?.kind === 'int')
    return { dtype: 'int64', shape: [], data: BigInt64Array.of(toInt64(integer.exact ?? integer.value)) };
  if (ints?.kind === 'ints')
    return { dtype: 'int64', shape: [ints.value.length], data: BigInt64Array.from(ints.exact ?? ints.value, toInt64) };
  throw new OnnxError(`node "${node.name}" (Constant) holds no value that headgate reads`);
}

/** Readers of an Identity read what it copies. The Identity stays, for who names its output; nothing else reads it. */
function withoutCopies(graph: GraphIr): GraphIr {
  const source = new Map<string, string>();
  const nodes = graph.nodes.map((node) => {
    const inputs = node.inputs.map((input) => source.get(input) ?? input);
    if (node.op === 'Identity' && node.domain === '') source.set(node.outputs[0] as string, inputs[0] as string);
    return { ...node, inputs };
  });
  return { ...graph, nodes };
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
