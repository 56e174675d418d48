// The fake-quant of training graphs and of the reference forward against ONNX's QuantizeLinear and DequantizeLinear as the
// runtime computes them: a million random bit patterns and every special value, bit for bit (−0 counting as +0).
import { beforeAll, describe, expect, it } from 'vitest';
import { lower } from '../../../src/qat/autodiff/differentiate.ts';
import { HEADGATE_DOMAIN } from '../../../src/qat/autodiff/rule.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { int } from '../../../src/qat/onnx/ir.ts';
import type { IrDType } from '../../../src/qat/onnx/ir.ts';
import { fakeQuantValue, limits } from '../../../src/qat/quantize/scheme.ts';
import type { Format } from '../../../src/qat/quantize/scheme.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import type { FloatTensor } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { firstUnequal } from '../differences.ts';
import { runBuilder } from '../graphs.ts';

/** First opset with int16 and 4-bit QuantizeLinear. */
const QDQ_OPSET = 21;
const COUNT = 1 << 18;
const CHANNELS = 4;

const formats: readonly { readonly name: IrDType; readonly format: Format }[] = [
  { name: 'int4', format: { bits: 4, signed: true } },
  { name: 'int8', format: { bits: 8, signed: true } },
  { name: 'int16', format: { bits: 16, signed: true } },
  { name: 'uint4', format: { bits: 4, signed: false } },
  { name: 'uint8', format: { bits: 8, signed: false } },
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
function manyValues(random: Random, scale: number, format: Format): Float32Array {
  const { qmin, qmax } = limits(format);
  const bits = new Uint32Array(COUNT);
  const values = new Float32Array(bits.buffer);
  for (let index = 0; index < COUNT; index++) {
    if (index % 2 === 0) values[index] = (qmin - 2 + random.uniform() * (qmax - qmin + 4)) * scale;
    else bits[index] = random.uint32();
    if (Number.isNaN(values[index])) values[index] = 0;
  }
  values.set(specialValues(scale, limits(format)));
  return values;
}

function fakeQuantGraph(format: Format, scale: FloatTensor): { readonly b: GraphBuilder; readonly y: string } {
  const b = new GraphBuilder();
  const { qmin, qmax } = limits(format);
  const attributes = { qmin: int(qmin), qmax: int(qmax) };
  const inputs = ['x', b.constant(scale)];
  lower(
    b,
    [{ op: 'FakeQuant', domain: HEADGATE_DOMAIN, name: 'fq', inputs, outputs: ['y', 'steps'], attributes }],
    new Map(),
  );
  return { b, y: 'y' };
}

function qdqGraph(dtype: IrDType, scale: FloatTensor): { readonly b: GraphBuilder; readonly y: string } {
  const b = new GraphBuilder();
  const shape = scale.shape.length === 0 ? [] : [CHANNELS];
  const [s, zero] = [
    b.constant({ ...scale, shape }),
    b.constant({ dtype, shape, data: zeroPoint(dtype, shape.length === 0 ? 1 : CHANNELS) }),
  ];
  const axis = shape.length === 0 ? {} : { axis: int(0) };
  const q = b.emit('QuantizeLinear', ['x', s, zero], axis);
  return { b, y: b.emit('DequantizeLinear', [q, s, zero], axis) };
}

function zeroPoint(dtype: IrDType, count: number): Int8Array | Uint8Array | Int16Array {
  if (dtype === 'int16') return new Int16Array(count);
  return dtype.startsWith('u') ? new Uint8Array(count) : new Int8Array(count);
}

async function evaluate(
  graph: { readonly b: GraphBuilder; readonly y: string },
  x: FloatTensor,
  optimisation: 'disabled' | 'all',
): Promise<Float32Array> {
  const results = await runBuilder(graph.b, new Map([['x', x]]), [graph.y], { opset: QDQ_OPSET, optimisation });
  return results.get(graph.y)?.data as Float32Array;
}

describe.each(formats)('fake-quant to $name', ({ name, format }) => {
  const scales = [2 ** -5, 0.0123, 7.7e-4, 3.1];
  let random: Random;

  beforeAll(() => {
    random = new Random(format.bits + (format.signed ? 100 : 0));
  });

  it('equals QuantizeLinear and DequantizeLinear bit for bit per tensor', async () => {
    for (const scale of scales.slice(0, 2)) {
      const s = floatTensor([], Float32Array.of(scale));
      const x = floatTensor([COUNT], manyValues(random, s.data[0] as number, format));
      const reference = await evaluate(qdqGraph(name, s), x, 'disabled');
      for (const optimisation of ['disabled', 'all'] as const) {
        const found = await evaluate(fakeQuantGraph(format, s), x, optimisation);
        const at = firstUnequal(found, reference);
        expect(at, `value ${x.data[at]} gives ${found[at]}, not ${reference[at]} (scale ${scale})`).toBe(-1);
      }
    }
  });

  it('equals QuantizeLinear and DequantizeLinear bit for bit per channel', async () => {
    const s = floatTensor([CHANNELS, 1], Float32Array.from(scales));
    const rows = [...s.data].map((scale) => manyValues(random, scale, format));
    const x = floatTensor(
      [CHANNELS, COUNT],
      Float32Array.from({ length: CHANNELS * COUNT }, (_, at) => rows[Math.floor(at / COUNT)]?.[at % COUNT] ?? 0),
    );
    const reference = await evaluate(qdqGraph(name, s), x, 'disabled');
    const found = await evaluate(fakeQuantGraph(format, s), x, 'disabled');
    const at = firstUnequal(found, reference);
    expect(at, `value ${x.data[at]} gives ${found[at]}, not ${reference[at]}`).toBe(-1);
  });

  it('is computed alike by the runtime and in TypeScript', async () => {
    const scale = Math.fround(0.0123);
    const x = floatTensor([COUNT], manyValues(random, scale, format));
    const found = await evaluate(fakeQuantGraph(format, floatTensor([], Float32Array.of(scale))), x, 'disabled');
    expect(
      firstUnequal(
        x.data.map((value) => fakeQuantValue(value, scale, format)),
        found,
      ),
    ).toBe(-1);
  });

  it('changes nothing when applied twice, and scales with powers of two', () => {
    const x = manyValues(random, Math.fround(0.0123), format);
    const [scale, larger] = [Math.fround(0.0123), Math.fround(0.0123) * 8];
    const once = x.map((value) => fakeQuantValue(value, scale, format));
    expect(
      firstUnequal(
        once.map((value) => fakeQuantValue(value, scale, format)),
        once,
      ),
    ).toBe(-1);
    const scaled = x.map((value) => fakeQuantValue(value * 8, larger, format));
    const at = firstUnequal(
      scaled,
      once.map((value) => value * 8),
    );
    expect(at, `value ${x[at]}`).toBe(-1);
  });
});
