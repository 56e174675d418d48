// What the comparisons of fake-quant share, here and in bench/kernel/fake-quant.mjs: formats, values with every special one,
// headgate's nodes and ONNX's QuantizeLinear and DequantizeLinear as graphs.
import { lower } from '../../../src/qat/autodiff/differentiate.ts';
import { HEADGATE_DOMAIN } from '../../../src/qat/autodiff/rule.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int, text } from '../../../src/qat/onnx/ir.ts';
import type { IrDType } from '../../../src/qat/onnx/ir.ts';
import { EPSILON, limits } from '../../../src/qat/quantize/scheme.ts';
import type { Format, Rounding } from '../../../src/qat/quantize/scheme.ts';
import type { FloatTensor } from '../../../src/support/tensor.ts';
import type { Random } from '../../../src/support/random.ts';
import { runBuilder } from '../graphs.ts';

/** First opset with int16 and 4-bit QuantizeLinear. */
const QDQ_OPSET = 21;
/** One per chunk per tensor, all of them as channels: common ones, a power of two, the smallest, a huge one. */
export const SCALES: readonly number[] = [0.0123, 2 ** -5, 7.7e-4, EPSILON, 3.1, 1e30].map(Math.fround);

export const formats: readonly { readonly name: IrDType; readonly format: Format }[] = [
  { name: 'int4', format: { bits: 4, signed: true } },
  { name: 'int8', format: { bits: 8, signed: true } },
  { name: 'int16', format: { bits: 16, signed: true } },
  { name: 'uint4', format: { bits: 4, signed: false } },
  { name: 'uint8', format: { bits: 8, signed: false } },
  { name: 'uint16', format: { bits: 16, signed: false } },
];

/** Ties, both zeros, denormals, the largest values and infinities, in units of the scale. */
function specialValues(
  scale: number,
  { qmin, qmax }: { readonly qmin: number; readonly qmax: number },
): readonly number[] {
  const ties = Array.from({ length: 64 }, (_, index) => (index - 32 + 0.5) * scale);
  const edges = [qmin, qmax].flatMap((edge) => [-1, -0.5, 0, 0.5, 1].map((step) => (edge + step) * scale));
  const tiny = [2 ** -149, 2 ** -130, 2 ** -126];
  const huge = [1e30, 3.4028234663852886e38, Infinity];
  return [0, -0, ...ties, ...edges, ...[...tiny, ...huge].flatMap((value) => [value, -value])];
}

/** Half spread over the format's range, half random bits of float32 without NaN. */
export function manyValues(random: Random, count: number, scale: number, format: Format): Float32Array {
  const { qmin, qmax } = limits(format);
  const bits = new Uint32Array(count);
  const values = new Float32Array(bits.buffer);
  for (let index = 0; index < count; index++) {
    if (index % 2 === 0) values[index] = (qmin - 2 + random.uniform() * (qmax - qmin + 4)) * scale;
    else bits[index] = random.uint32();
    if (Number.isNaN(values[index])) values[index] = 0;
  }
  values.set(specialValues(scale, limits(format)));
  return values;
}

export function fakeQuantGraph(
  format: Format,
  scale: FloatTensor,
  rounding: Rounding = 'divide',
): { readonly b: GraphBuilder; readonly y: string } {
  const b = new GraphBuilder();
  const { qmin, qmax } = limits(format);
  const attributes = { qmin: int(qmin), qmax: int(qmax), rounding: text(rounding) };
  const inputs = ['x', b.constant(scale)];
  lower(
    b,
    [{ op: 'FakeQuant', domain: HEADGATE_DOMAIN, name: 'fq', inputs, outputs: ['y', 'steps'], attributes }],
    new Map(),
  );
  return { b, y: 'y' };
}

export function qdqGraph(dtype: IrDType, scale: FloatTensor): { readonly b: GraphBuilder; readonly y: string } {
  const b = new GraphBuilder();
  const channels = scale.data.length;
  const shape = scale.shape.length === 0 ? [] : [channels];
  const [s, zero] = [b.constant({ ...scale, shape }), b.constant({ dtype, shape, data: zeroPoint(dtype, channels) })];
  const axis = shape.length === 0 ? {} : { axis: int(0) };
  const q = b.emit('QuantizeLinear', ['x', s, zero], axis);
  return { b, y: b.emit('DequantizeLinear', [q, s, zero], axis) };
}

function zeroPoint(dtype: IrDType, count: number): Int8Array | Uint8Array | Int16Array | Uint16Array {
  if (dtype === 'int16') return new Int16Array(count);
  if (dtype === 'uint16') return new Uint16Array(count);
  return dtype.startsWith('u') ? new Uint8Array(count) : new Int8Array(count);
}

export async function evaluate(
  graph: { readonly b: GraphBuilder; readonly y: string },
  x: FloatTensor,
  optimisation: 'disabled' | 'all',
): Promise<Float32Array> {
  const results = await runBuilder(graph.b, new Map([['x', x]]), [graph.y], { opset: QDQ_OPSET, optimisation });
  return results.get(graph.y)?.data as Float32Array;
}
