// A scale from a largest magnitude, as nodes of a training graph: what `scaleOf` (quantize/scheme.ts) computes, to the bit.
import type { GraphBuilder } from '../onnx/builder.ts';
import { int } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import { EPSILON, steps } from '../quantize/scheme.ts';
import type { Format } from '../quantize/scheme.ts';

/** Constants go to `b`; nodes stay un-lowered. */
interface NodeEmitter {
  readonly b: GraphBuilder;
  emit(op: string, inputs: readonly string[], attributes?: IrNode['attributes']): string;
}

/** Powers of two that a scale may be raised to: from the smallest scale to the largest that float32 can need. */
const POWERS: readonly number[] = Array.from({ length: 150 }, (_, index) => EPSILON * 2 ** index);

/** @param shape of `largest`: [], or one magnitude per channel along one axis, such as [C, 1, 1, 1]. */
export function emitScale(emitter: NodeEmitter, largest: string, format: Format, shape: readonly number[]): string {
  const { b } = emitter;
  const floor = Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => EPSILON);
  const scale = emitter.emit('Max', [
    emitter.emit('Div', [largest, b.scalar(steps(format))]),
    shape.length === 0 ? b.scalar(EPSILON) : b.floats(floor, shape),
  ]);
  if (format.powerOfTwo !== true) return scale;
  // The smallest of all powers that are not below it: by comparison, since a logarithm in float32 may miss by one. Powers below
  // become p / 0. In float32 throughout, since every value of a training graph's forward is one.
  const column = emitter.emit('Reshape', [scale, b.int64([-1, 1])]);
  const powers = b.floats(POWERS, [1, POWERS.length]);
  const below = emitter.emit('Sign', [emitter.emit('Relu', [emitter.emit('Sub', [column, powers])])]);
  const candidates = emitter.emit('Div', [powers, emitter.emit('Sub', [b.scalar(1), below])]);
  const smallest = emitter.emit('ReduceMin', [candidates, b.int64([1])], { keepdims: int(0) });
  return emitter.emit('Reshape', [smallest, b.int64(shape)]);
}
