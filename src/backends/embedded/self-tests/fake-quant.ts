// Self-test of the quantisers in use: the nodes of the reference forward give what the arithmetic of scheme.ts gives and, where
// the profile divides, what ONNX's QuantizeLinear and DequantizeLinear give; rounding again changes nothing; and twice the value
// on twice the scale is twice the result. Probed with ties, edges and special values of each quantiser's own grid.
import { GraphBuilder } from '../../../qat/onnx/builder.ts';
import type { IrDType } from '../../../qat/onnx/ir.ts';
import { EXPORT_OPSET, integerType } from '../../../qat/export/qdq.ts';
import { activationScale, placementFor } from '../../../qat/network/reference.ts';
import { fakeQuantValue, limits } from '../../../qat/quantize/scheme.ts';
import type { Format } from '../../../qat/quantize/scheme.ts';
import { emitSteps } from '../../../qat/quantize/steps.ts';
import { encodeModel } from '../../../qat/onnx/codec.ts';
import { createSession } from '../../../qat/runtime/onnxruntime.ts';
import { arrayOf, floatTensor } from '../../../support/tensor.ts';
import { fails, holds } from './self-test.ts';
import type { Finding, SelfTest } from './self-test.ts';

interface Probe {
  readonly name: string;
  readonly format: Format;
  readonly scale: number;
}

export const fakeQuant: SelfTest = async ({ network, scopes, request }) => {
  const placement = placementFor(network, scopes);
  const probes: Probe[] = [...placement.activations.values()].map((quantizer) => ({
    name: `activation "${quantizer.value}"`,
    format: quantizer.format,
    scale: activationScale(quantizer, scopes),
  }));
  for (const [weight, { scope, format }] of placement.weights) {
    const scales = scopes.get(scope)?.checkpoint.quant?.weights.get(weight) ?? [];
    for (const [channel, scale] of [...scales].entries())
      probes.push({ name: `channel ${channel} of weight "${weight}"`, format, scale });
  }
  let values = 0;
  for (const group of byFormat(probes)) {
    const found = await probeGroup(group, request.threads);
    if (typeof found !== 'number') return found;
    values += found;
  }
  return holds(`${probes.length} quantisers, ${values} values bit-equal to their definition, and rounded once for all`);
};

function byFormat(probes: readonly Probe[]): readonly (readonly Probe[])[] {
  const groups = new Map<string, Probe[]>();
  for (const probe of probes) {
    const key = JSON.stringify(probe.format);
    groups.set(key, [...(groups.get(key) ?? []), probe]);
  }
  return [...groups.values()];
}

/** All quantisers of one format as rows of one graph. @returns how many values were compared, or what is wrong. */
async function probeGroup(probes: readonly Probe[], threads: number): Promise<number | Finding> {
  const [{ format }] = probes as readonly [Probe];
  const rows = probes.map(({ scale }) => probeValues(scale, format));
  const columns = (rows[0] as readonly number[]).length;
  const x = floatTensor([rows.length, columns], Float32Array.from(rows.flat()));
  const scale = floatTensor(
    [rows.length, 1],
    Float32Array.from(probes, (probe) => probe.scale),
  );
  const b = new GraphBuilder('p');
  const scales = b.constant(scale, 'scale');
  const once = emitFakeQuant(b, 'x', scales, format);
  b.emit('Identity', [once], {}, { outputs: ['once'] });
  b.emit('Identity', [emitFakeQuant(b, once, scales, format)], {}, { outputs: ['again'] });
  const doubled = emitFakeQuant(b, b.emit('Add', ['x', 'x']), b.emit('Add', [scales, scales]), format);
  b.emit('Mul', [doubled, b.scalar(0.5)], {}, { outputs: ['halved'] });
  const names = ['once', 'again', 'halved'];
  if ((format.rounding ?? 'divide') === 'divide' && format.bits >= 8) {
    const dtype = integerType(format) as IrDType & ('int8' | 'uint8' | 'int16' | 'uint16');
    const zeros = b.constant({ dtype, shape: [rows.length], data: new arrayOf[dtype](rows.length) }, 'zero');
    const flat = b.constant(floatTensor([rows.length], scale.data), 'scale');
    const steps = b.emit('QuantizeLinear', ['x', flat, zeros], { axis: { kind: 'int', value: 0 } });
    b.emit('DequantizeLinear', [steps, flat, zeros], { axis: { kind: 'int', value: 0 } }, { outputs: ['onnx'] });
    names.push('onnx');
  }
  const graph = b.finish({
    name: 'fake-quant',
    opset: EXPORT_OPSET,
    inputs: [{ name: 'x', dtype: 'float32', shape: x.shape }],
    outputs: names.map((name) => ({ name, dtype: 'float32' as const })),
  });
  const session = await createSession(encodeModel(graph), { threads, optimisation: 'disabled' });
  const results = await session.run(new Map([['x', x]]));
  await session.release();
  for (const name of names) {
    const data = results.get(name)?.data as Float32Array;
    for (const [index, value] of x.data.entries()) {
      const probe = probes[Math.floor(index / columns)] as Probe;
      const expected = fakeQuantValue(value, probe.scale, format);
      if (data[index] === expected) continue;
      return fails(`${probe.name} ${sayings[name] ?? name}: ${value} → ${data[index] ?? NaN}, expected ${expected}`);
    }
  }
  return x.data.length * names.length;
}

const sayings: { readonly [output: string]: string } = {
  once: 'is not rounded as its format says',
  again: 'changes what was rounded already',
  halved: 'does not scale: half the result for twice the value on twice the scale',
  onnx: 'is not rounded as QuantizeLinear and DequantizeLinear do',
};

function emitFakeQuant(b: GraphBuilder, value: string, scale: string, format: Format): string {
  const { qmin, qmax } = limits(format);
  const clipped = b.emit('Clip', [emitSteps(b, value, scale, format.rounding), b.scalar(qmin), b.scalar(qmax)]);
  return b.emit('Mul', [clipped, scale]);
}

/** In float32: ties, both ends of the grid and beyond, zeros, denormals, the largest values, infinities. */
function probeValues(scale: number, format: Format): readonly number[] {
  const { qmin, qmax } = limits(format);
  const ties = Array.from({ length: 64 }, (_, index) => (index - 31.5) * scale);
  const edges = [qmin, qmax].flatMap((edge) => [-1, -0.5, 0, 0.5, 1].map((step) => (edge + step) * scale));
  const between = Array.from({ length: 127 }, (_, index) => (qmin + ((qmax - qmin) * (index + 0.317)) / 127) * scale);
  const special = [2 ** -149, 2 ** -126, 1e30, Infinity].flatMap((value) => [value, -value]);
  return [0, -0, ...ties, ...edges, ...between, ...special].map(Math.fround);
}
