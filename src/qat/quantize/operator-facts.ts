// What placement needs to know of an operator besides the table: the table's name for it, and whether its output can be
// negative.
import { textOf } from '../onnx/ir.ts';
import type { GraphIr, IrNode } from '../onnx/ir.ts';
import { readsOf } from '../network/units.ts';
import type { Unit } from '../network/units.ts';
import { arithmetic, averaging, moving } from './targets/operators.ts';

/** Of a unit's last step: the activation's where a layer has one. */
export function tableKey(graph: GraphIr, unit: Unit): string {
  if (unit.kind === 'layer') return unit.activation?.op ?? unit.node.op;
  const node = unit.nodes[0] as IrNode;
  switch (unit.op) {
    case 'Resize':
      return `Resize(${textOf(node, 'mode', 'nearest')})`;
    case 'GridSample':
      return `GridSample(${textOf(node, 'mode', 'bilinear')})`;
    case 'Pad':
      return padsWithZero(graph, node) ? 'Pad' : 'Pad(value)';
    default:
      return unit.op;
  }
}

function padsWithZero(graph: GraphIr, node: IrNode): boolean {
  if (textOf(node, 'mode', 'constant') !== 'constant') return true;
  const value = graph.initializers.get(node.inputs[2] ?? '');
  return (node.inputs[2] ?? '') === '' || (value !== undefined && Number(value.data[0]) === 0);
}

const neverNegative: ReadonlySet<string> = new Set([
  'Sigmoid',
  'HardSigmoid',
  'Softplus',
  'Softmax',
  'Exp',
  'Abs',
  'Sqrt',
]);
/** May be negative where no input is (differences; cubic interpolation, which undershoots), or nothing is claimed of them. */
const mayTurnNegative: ReadonlySet<string> = new Set([
  'Sub',
  'Div',
  'Einsum',
  'Resize(cubic)',
  'GridSample(bicubic)',
  'GridSample(cubic)',
]);
/** Not negative where no input is. */
const keepsSign: ReadonlySet<string> = new Set(
  [...moving, ...averaging, ...arithmetic, 'Concat'].filter((op) => !mayTurnNegative.has(op)),
);

/** @param known values that cannot be negative. */
export function isNonNegative(graph: GraphIr, unit: Unit, known: ReadonlySet<string>): boolean {
  const key = tableKey(graph, unit);
  if (neverNegative.has(key)) return true;
  const last = (unit.kind === 'plain' ? unit.nodes : (unit.activation?.nodes ?? [])).at(-1);
  if (last?.op === 'Relu') return true;
  if (last?.op === 'Clip') return Number(graph.initializers.get(last.inputs[1] ?? '')?.data[0] ?? -1) >= 0;
  if (unit.kind === 'layer' || !keepsSign.has(key)) return false;
  const computes = arithmetic.includes(key) || key === 'Concat' || key === 'Pad(value)';
  const constants = computes ? unit.nodes.flatMap((node) => node.inputs) : [];
  const positive = constants
    .map((name) => graph.initializers.get(name))
    .every((tensor) => tensor === undefined || Array.from(tensor.data, Number).every((value) => value >= 0));
  return positive && readsOf(graph, unit).every((value) => known.has(value));
}
