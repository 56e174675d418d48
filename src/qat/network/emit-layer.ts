// A layer's linear part as nodes of a graph, from whatever stands for its weight and bias there: the reference forward, the
// exported file and the float hand-over spell layers alike.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { LayerUnit } from './units.ts';

export interface Operands {
  readonly input: string;
  readonly weight: string;
  readonly bias: string;
}

/** Whether the deployed layer has a bias: its own, or the one that batch norm leaves. Convolutions and Gemm always take one. */
export function hasBias(unit: LayerUnit): boolean {
  return unit.node.op !== 'MatMul' || unit.bias !== undefined || unit.norm !== undefined;
}

/** Batch norm is in the operands already. @param output a name for the result. */
export function emitLinear(
  b: GraphBuilder,
  unit: LayerUnit,
  { input, weight, bias }: Operands,
  output?: string,
): string {
  const { op, attributes } = unit.node;
  const named = output === undefined ? {} : { outputs: [output] };
  if (op !== 'MatMul') return b.emit(op, [input, weight, bias], attributes, named);
  if (!hasBias(unit)) return b.emit(op, [input, weight], attributes, named);
  return b.emit('Add', [b.emit(op, [input, weight], attributes), bias], {}, named);
}
