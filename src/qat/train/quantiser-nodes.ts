// Quantisers as nodes of a training graph: a weight times its batch norm's factor, its scale of this very step, and fake-quant
// with a given or with a learned scale. Where they stand is the forward's.
import { HEADGATE_DOMAIN } from '../autodiff/rule.ts';
import { scaleShape } from '../network/weight-layout.ts';
import type { WeightLayout } from '../network/weight-layout.ts';
import type { GraphBuilder } from '../onnx/builder.ts';
import { int, text } from '../onnx/ir.ts';
import type { IrNode } from '../onnx/ir.ts';
import { limits } from '../quantize/scheme.ts';
import type { Format } from '../quantize/scheme.ts';
import { emitScale } from './scale-nodes.ts';

/** Adds nodes without lowering them; constants go to `b`. */
interface NodeEmitter {
  readonly b: GraphBuilder;
  emit(
    op: string,
    inputs: readonly string[],
    attributes?: IrNode['attributes'],
    options?: { readonly outputs?: number; readonly domain?: string },
  ): string;
}

/** Where the gradient passes: PyTorch's mask, or one step further on both sides. */
export type StraightThrough = 'masked' | 'inclusive';

const twoOutputs = { outputs: 2, domain: HEADGATE_DOMAIN } as const;

/** The weight times a factor per output channel. */
export function scaleWeight(
  emitter: NodeEmitter,
  weight: string,
  factor: string,
  shape: readonly number[],
  layout: WeightLayout,
): string {
  const reshaped = (value: string, to: readonly number[]): string =>
    emitter.emit('Reshape', [value, emitter.b.int64(to)]);
  const { scales, outputs } = layout;
  if (outputs === scales) return emitter.emit('Mul', [weight, reshaped(factor, scaleShape(layout, shape.length))]);
  // A grouped ConvTranspose: [I, O/group, k…] seen as [group, I/group, O/group, k…], factors as [group, 1, O/group, 1…].
  const groups = outputs / scales;
  const grouped = reshaped(weight, [groups, (shape[0] as number) / groups, ...shape.slice(1)]);
  const factors = reshaped(factor, [groups, 1, scales, ...shape.slice(2).map(() => 1)]);
  return reshaped(emitter.emit('Mul', [grouped, factors]), shape);
}

/** Per channel, from the weights of this very step. */
export function weightScale(
  emitter: NodeEmitter,
  weight: string,
  shape: readonly number[],
  layout: WeightLayout,
  format: Format,
): string {
  const { b } = emitter;
  const others = shape.map((_, index) => index).filter((index) => index !== layout.axis);
  const largest = emitter.emit('ReduceMax', [emitter.emit('Abs', [weight]), b.int64(others)], { keepdims: int(1) });
  return emitScale(emitter, largest, format, scaleShape(layout, shape.length));
}

export function fakeQuant(
  emitter: NodeEmitter,
  value: string,
  scale: string,
  format: Format,
  straightThrough: StraightThrough = 'masked',
): string {
  const inclusive = straightThrough === 'inclusive' ? { inclusive: int(1) } : {};
  return emitter.emit('FakeQuant', [value, scale], { ...attributesOf(format), ...inclusive }, twoOutputs);
}

/** @param perSample whether the gradient's damping counts the values of one image, as for activations. */
export function learnedFakeQuant(
  emitter: NodeEmitter,
  value: string,
  scale: string,
  format: Format,
  perSample: boolean,
): string {
  const attributes = { ...attributesOf(format), per_sample: int(perSample ? 1 : 0) };
  return emitter.emit('LearnedFakeQuant', [value, scale], attributes, twoOutputs);
}

function attributesOf(format: Format): IrNode['attributes'] {
  const { qmin, qmax } = limits(format);
  return { qmin: int(qmin), qmax: int(qmax), rounding: text(format.rounding ?? 'divide') };
}
