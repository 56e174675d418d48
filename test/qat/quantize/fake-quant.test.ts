// The fake-quant of training graphs and of the reference forward against two programs that nobody here wrote, bit for bit (−0
// counting as +0): with division ONNX's QuantizeLinear and DequantizeLinear as the runtime computes them, with inverse
// multiplication PyTorch's fake_quantize (golden vectors of make_fake_quant.py). bench/kernel/fake-quant.mjs is the long form.
import { beforeAll, describe, expect, it } from 'vitest';
import { fakeQuantValue, limits } from '../../../src/qat/quantize/scheme.ts';
import type { Format, Rounding } from '../../../src/qat/quantize/scheme.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { firstUnequal } from '../differences.ts';
import { readGolden } from '../golden-file.ts';
import { evaluate, fakeQuantGraph, formats, manyValues, qdqGraph, SCALES } from './fake-quant-cases.ts';

const COUNT = 1 << 15;

/** Written by make_fake_quant.py. */
interface GoldenCase {
  readonly format: string;
}
const golden = readGolden<GoldenCase>('fake-quant.safetensors');

const perChannel = floatTensor([SCALES.length, 1], Float32Array.from(SCALES));

describe.each(formats)('fake-quant to $name', ({ name, format }) => {
  let random: Random;

  beforeAll(() => {
    random = new Random(format.bits + (format.signed ? 100 : 0));
  });

  const rows = () =>
    floatTensor(
      [SCALES.length, COUNT],
      Float32Array.from(SCALES.flatMap((scale) => [...manyValues(random, COUNT, scale, format)])),
    );

  it('equals QuantizeLinear and DequantizeLinear bit for bit per tensor', async () => {
    for (const scale of SCALES) {
      const s = floatTensor([], Float32Array.of(scale));
      const x = floatTensor([COUNT], manyValues(random, COUNT, scale, format));
      const reference = await evaluate(qdqGraph(name, s), x, 'disabled');
      for (const optimisation of ['disabled', 'all'] as const) {
        const found = await evaluate(fakeQuantGraph(format, s), x, optimisation);
        const at = firstUnequal(found, reference);
        expect(at, `value ${x.data[at]} gives ${found[at]}, not ${reference[at]} (scale ${scale})`).toBe(-1);
      }
    }
  });

  it('equals QuantizeLinear and DequantizeLinear bit for bit per channel', async () => {
    const x = rows();
    const reference = await evaluate(qdqGraph(name, perChannel), x, 'disabled');
    const found = await evaluate(fakeQuantGraph(format, perChannel), x, 'disabled');
    const at = firstUnequal(found, reference);
    expect(at, `value ${x.data[at]} gives ${found[at]}, not ${reference[at]}`).toBe(-1);
  });

  it.each(['disabled', 'all'] as const)(
    'equals fake_quantize of PyTorch bit for bit with inverse multiplication, per tensor and per channel (%s)',
    async (optimisation) => {
      const x = golden.tensor(`${name}/x`);
      const scales = golden.floats(`${name}/scales`);
      const [count, length] = [scales.length, x.data.length / scales.length];
      const data = x.data as Float32Array;
      for (const [channel, scale] of scales.entries()) {
        const part = floatTensor([length], data.slice(channel * length, (channel + 1) * length));
        const graph = fakeQuantGraph(format, floatTensor([], Float32Array.of(scale)), 'inverse-multiply');
        const reference = golden.floats(`${name}/tensor`).slice(channel * length, (channel + 1) * length);
        expect(firstUnequal(await evaluate(graph, part, optimisation), reference)).toBe(-1);
      }
      const graph = fakeQuantGraph(format, floatTensor([count, 1], scales), 'inverse-multiply');
      const found = await evaluate(graph, floatTensor([count, length], data), optimisation);
      expect(firstUnequal(found, golden.floats(`${name}/channel`))).toBe(-1);
      const typescript = data.map((value, at) =>
        fakeQuantValue(value, scales[Math.floor(at / length)] as number, inverse(format)),
      );
      expect(firstUnequal(typescript, golden.floats(`${name}/channel`))).toBe(-1);
    },
  );

  it.each(['divide', 'inverse-multiply'] as const)(
    'is computed alike by the runtime and in TypeScript (%s)',
    async (rounding) => {
      for (const scale of SCALES) {
        const x = floatTensor([COUNT], manyValues(random, COUNT, scale, format));
        const graph = fakeQuantGraph(format, floatTensor([], Float32Array.of(scale)), rounding);
        const found = await evaluate(graph, x, 'disabled');
        const here = x.data.map((value) => fakeQuantValue(value, scale, { ...format, rounding }));
        expect(firstUnequal(here, found)).toBe(-1);
      }
    },
  );

  it.each(['divide', 'inverse-multiply'] as const)(
    'changes nothing when applied twice, and scales with powers of two (%s)',
    (rounding) => {
      for (const scale of SCALES) expectIdempotentAndScaling({ ...format, rounding }, scale);
    },
  );

  function expectIdempotentAndScaling(exact: Format & { readonly rounding: Rounding }, scale: number): void {
    const x = manyValues(random, COUNT / 4, scale, format);
    const once = x.map((value) => fakeQuantValue(value, scale, exact));
    const twice = once.map((value) => fakeQuantValue(value, scale, exact));
    expect(firstUnequal(twice, once)).toBe(-1);
    for (const power of [2 ** -3, 8, 2 ** 10]) {
      // Where the product leaves the normal numbers of float32 it is not exact, and the law says nothing.
      const inside = x.filter(
        (value) => value === 0 || (Math.abs(value * power) > 2 ** -126 && Math.abs(value) > 2 ** -126),
      );
      const scaled = inside.map((value) => fakeQuantValue(value * power, scale * power, exact));
      const expected = inside.map((value) => fakeQuantValue(value, scale, exact) * power);
      const at = firstUnequal(scaled, expected);
      expect(at, `value ${inside[at]} (scale ${scale}, power ${power})`).toBe(-1);
    }
  }
});

describe('the two roundings', () => {
  it('differ by one step where they differ, and do differ', () => {
    const random = new Random(5);
    const [bits, scale] = [16, Math.fround(0.0123)];
    let different = 0;
    for (const value of manyValues(random, COUNT, scale, { bits, signed: true })) {
      const [divided, multiplied] = (['divide', 'inverse-multiply'] as const).map(
        (rounding) => fakeQuantValue(value, scale, { bits, signed: true, rounding }) / scale,
      ) as [number, number];
      if (divided === multiplied) continue;
      different++;
      expect(Math.abs(Math.round(divided) - Math.round(multiplied))).toBe(1);
    }
    expect(different).toBeGreaterThan(0);
    expect(different / COUNT).toBeLessThan(0.01);
  });

  it('meet every integer step of the format', () => {
    const { qmin, qmax } = limits({ bits: 4, signed: true });
    for (let step = qmin; step <= qmax; step++)
      expect(fakeQuantValue(step, 1, { bits: 4, signed: true, rounding: 'inverse-multiply' })).toBe(step);
  });
});

function inverse(format: Format): Format {
  return { ...format, rounding: 'inverse-multiply' };
}
