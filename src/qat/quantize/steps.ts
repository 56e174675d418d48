// round(x / s) as nodes of a graph, as the format rounds: the one place where training graphs and the reference forward get
// their integer steps from. The same arithmetic on single values is in scheme.ts. Not for clipping or for gradients.
import type { GraphBuilder } from '../onnx/builder.ts';
import { textOf } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import type { Rounding } from './scheme.ts';

/** @param scale a scalar, or one that broadcasts against `value`. @param outputs names for the result. */
export function emitSteps(
  b: GraphBuilder,
  value: string,
  scale: string,
  rounding: Rounding | undefined,
  outputs?: readonly string[],
): string {
  return b.emit('Round', [emitQuotient(b, value, scale, rounding)], {}, outputs === undefined ? {} : { outputs });
}

/** What `emitSteps` rounds. */
export function emitQuotient(
  b: GraphBuilder,
  value: string,
  scale: string,
  rounding: Rounding | undefined,
  outputs?: readonly string[],
): string {
  const options = outputs === undefined ? {} : { outputs };
  if (rounding !== 'inverse-multiply') return b.emit('Div', [value, scale], {}, options);
  // −(−1 / s) is exactly 1 / s. Written as 1 / s, the runtime's DivMulFusion would make x · (1 / s) the division x / s;
  // Reciprocal's kernel may approximate.
  const inverse = b.emit('Neg', [b.emit('Div', [b.scalar(-1), scale])]);
  return b.emit('Mul', [value, inverse], {}, options);
}

/** The attribute `rounding` of headgate's own fake-quant operators. */
export function roundingOf(node: IrNode): Rounding {
  return textOf(node, 'rounding', 'divide') === 'inverse-multiply' ? 'inverse-multiply' : 'divide';
}
