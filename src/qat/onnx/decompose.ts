// Operators newer than opset 18 written with the operators it has. Used on import (upgrade.ts) and by the training
// graph's lowering alike, so that both compute the same.
import type { GraphBuilder } from './builder.ts';
import { float, floatOf, intOf, textOf } from './ir.ts';
import type { IrNode } from './ir.ts';

/** Gelu-20: x/2·(1 + erf(x/√2)), or its tanh approximation. */
export function decomposeGelu(b: GraphBuilder, node: IrNode): void {
  const x = node.inputs[0] as string;
  const half = b.emit('Mul', [x, b.scalar(0.5)]);
  const grown = b.emit('Add', [
    textOf(node, 'approximate', 'none') === 'tanh' ? tanhCurve(b, x) : erfCurve(b, x),
    b.scalar(1),
  ]);
  b.emit('Mul', [half, grown], {}, { outputs: node.outputs });
}

function erfCurve(b: GraphBuilder, x: string): string {
  return b.emit('Erf', [b.emit('Mul', [x, b.scalar(Math.SQRT1_2)])]);
}

function tanhCurve(b: GraphBuilder, x: string): string {
  const cubed = b.emit('Mul', [b.emit('Mul', [x, x]), x]);
  const inner = b.emit('Add', [x, b.emit('Mul', [cubed, b.scalar(0.044715)])]);
  return b.emit('Tanh', [b.emit('Mul', [inner, b.scalar(Math.sqrt(2 / Math.PI))])]);
}

/**
 * GroupNormalization of x with at least [N, C] known as `shape`: each group an instance of its own.
 * @param parameters the length of scale and bias, the number of channels (opset 21) or groups (opset 18).
 */
export function decomposeGroupNorm(b: GraphBuilder, node: IrNode, shape: readonly number[], parameters: number): void {
  const [x, scale, bias] = node.inputs as [string, string, string];
  const groups = intOf(node, 'num_groups', 1);
  const channels = shape[1] as number;
  // A zero copies the batch size; each group is one long channel.
  const grouped = b.reshape(x, [0, groups, -1]);
  const constants = (value: number): string => b.floats(Array.from({ length: groups }, () => value));
  const epsilon = { epsilon: float(floatOf(node, 'epsilon', 1e-5)) };
  const normalised = b.emit('InstanceNormalization', [grouped, constants(1), constants(0)], epsilon);
  const column = parameters === groups ? [1, groups, 1, 1] : [1, groups, channels / groups, 1];
  const apart = b.reshape(normalised, [0, groups, channels / groups, -1]);
  const scaled = b.emit('Add', [b.emit('Mul', [apart, b.reshape(scale, column)]), b.reshape(bias, column)]);
  b.emit('Reshape', [scaled, b.emit('Shape', [x])], {}, { outputs: node.outputs });
}
