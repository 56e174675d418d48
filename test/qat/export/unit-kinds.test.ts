// Every kind of layer and activation through the deployed form, on every target: the exported files compute VALIDATION bit for
// bit, the post-processing after the cut tensors is carried along, and hand-over forms hold the numbers they should.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodingsOf } from '../../../src/qat/export/encodings.ts';
import { ExportError } from '../../../src/qat/export/export-error.ts';
import { exportFloat } from '../../../src/qat/export/float-model.ts';
import { exportQdq } from '../../../src/qat/export/qdq.ts';
import { scalesCsv } from '../../../src/qat/export/scale-table.ts';
import { compareOutputs } from '../../../src/qat/freeze/compare.ts';
import { recogniseNetwork } from '../../../src/qat/network/network.ts';
import type { ScopeNames } from '../../../src/qat/network/network.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { encodeModel } from '../../../src/qat/onnx/codec.ts';
import { float, int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../../src/qat/onnx/ir.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import { elementCount } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { calibrate, floatScopes, quantisedScopes, runReference } from '../checkpoints.ts';
import { relativeDifference } from '../differences.ts';
import { runGraph } from '../graphs.ts';
import { BATCH, randomBatch, SIZE } from '../networks.ts';

/** Folding batch norm changes the order of float operations. */
const FOLDING_TOLERANCE = 1e-5;

const SCOPES: ScopeNames = {
  backbone: { boundary: ['trunk'] },
  necks: { neck: { boundary: ['up'] } },
  heads: {
    dense: { outputs: ['dense.out'], parent: 'neck' },
    sharp: { outputs: ['sharp.out'], parent: 'neck' },
    vector: { outputs: ['vector.out'] },
  },
};

/** Normalised input, Conv + SiLU, residual, spelled HardSwish, grouped ConvTranspose + BN, PRelu, Concat, Gemm, MatMul, tail. */
function manyKinds(): GraphIr {
  const b = new GraphBuilder('m');
  const random = new Random(5);
  const weight = (name: string, shape: readonly number[], scale = 0.4): string => {
    const data = Float32Array.from({ length: elementCount(shape) }, () => scale * random.normal());
    b.initializers.set(name, { dtype: 'float32', shape, data });
    return name;
  };
  const norm = (input: string, name: string, channels: number): string => {
    const positive = weight(`${name}.variance`, [channels]);
    b.initializers.set(positive, {
      dtype: 'float32',
      shape: [channels],
      data: Float32Array.from({ length: channels }, () => 0.5 + random.uniform()),
    });
    const inputs = [
      input,
      weight(`${name}.gamma`, [channels], 1),
      weight(`${name}.beta`, [channels]),
      weight(`${name}.mean`, [channels]),
      positive,
    ];
    return b.emit('BatchNormalization', inputs, { epsilon: float(1e-5) });
  };
  const pads = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) };
  const shifted = b.emit('Sub', [b.emit('Mul', ['image', b.scalar(0.5)]), b.scalar(0.1)]);
  const stem = b.emit('Conv', [shifted, weight('stem.w', [8, 3, 3, 3]), weight('stem.b', [8])], pads);
  const silu = b.emit('Mul', [stem, b.emit('Sigmoid', [stem])]);
  const branch = norm(b.emit('Conv', [silu, weight('branch.w', [8, 8, 3, 3], 0.2)], pads), 'branch', 8);
  const residual = b.emit('Relu', [b.emit('Add', [branch, silu])]);
  const plain = b.emit('Conv', [residual, weight('plain.w', [8, 8, 1, 1]), weight('plain.b', [8])]);
  const gate = b.emit('Div', [
    b.emit('Clip', [b.emit('Add', [plain, b.scalar(3)]), b.scalar(0), b.scalar(6)]),
    b.scalar(6),
  ]);
  b.emit('Mul', [plain, gate], {}, { outputs: ['trunk'] });
  const up = b.emit('ConvTranspose', ['trunk', weight('up.w', [8, 3, 2, 2])], {
    strides: ints([2, 2]),
    kernel_shape: ints([2, 2]),
    group: int(2),
  });
  const sloped = b.emit('PRelu', [norm(up, 'up', 6), weight('slope', [6, 1, 1], 0.1)]);
  const resized = b.emit('Resize', ['trunk', '', b.floats([1, 1, 2, 2])], { mode: text('linear') });
  const capped = b.emit('Clip', [b.emit('Conv', [resized, weight('side.w', [6, 8, 1, 1])]), b.scalar(0), b.scalar(6)]);
  b.emit('Concat', [sloped, capped], { axis: int(1) }, { outputs: ['up'] });
  b.emit('Conv', ['up', weight('dense.w', [2, 12, 1, 1]), weight('dense.b', [2])], {}, { outputs: ['dense.out'] });
  const tanh = b.emit('Tanh', [b.emit('Conv', ['up', weight('sharp.w', [4, 12, 1, 1])])]);
  b.emit('Conv', [tanh, weight('sharp.last', [2, 4, 1, 1])], {}, { outputs: ['sharp.out'] });
  const pooled = b.emit('Flatten', [b.emit('GlobalAveragePool', ['trunk'])]);
  const hidden = b.emit('LeakyRelu', [
    b.emit('Gemm', [pooled, weight('fc.w', [10, 8]), weight('fc.b', [10])], { transB: int(1) }),
  ]);
  const product = b.emit('MatMul', [
    b.emit('LayerNormalization', [hidden, weight('ln.g', [10]), weight('ln.b', [10])]),
    weight('mm.w', [10, 4]),
  ]);
  b.emit('Add', [product, weight('mm.b', [4])], {}, { outputs: ['vector.out'] });
  b.emit('ArgMax', ['vector.out'], { axis: int(1) }, { outputs: ['class'] });
  return b.finish({
    name: 'kinds',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, SIZE, SIZE] }],
    outputs: [
      { name: 'dense.out', dtype: 'float32' },
      { name: 'class', dtype: 'int64', shape: ['N', 1] },
    ],
  });
}

const network = recogniseNetwork(manyKinds(), SCOPES);
const outputs = ['dense.out', 'sharp.out', 'vector.out'];
const shapes = new Map([
  ['dense.out', [2, 2 * SIZE, 2 * SIZE]],
  ['sharp.out', [2, 2 * SIZE, 2 * SIZE]],
  ['vector.out', [4]],
]);
const w8a8 = (target: NonNullable<Profile['target']>): Profile => ({
  target,
  weights: { bits: 8 },
  activations: { bits: 8, unsignedAfterRelu: false },
});
const image = randomBatch(4);
const python = process.env['HEADGATE_PYTHON'] ?? 'python3';
const hasOnnx = spawnSync(python, ['-c', 'import onnx'], { stdio: 'ignore' }).status === 0;

describe('units', () => {
  it('are recognised as the operators are spelled, parameters of plain ones among them', () => {
    const layers = network.units.filter((unit) => unit.kind === 'layer');
    expect(layers.map(({ node, activation }) => [node.op, activation?.op])).toEqual([
      ['Conv', 'SiLU'],
      ['Conv', undefined],
      ['Conv', 'HardSwish'],
      ['ConvTranspose', 'PRelu'],
      ['Conv', 'Clip'],
      ['Conv', undefined],
      ['Conv', 'Tanh'],
      ['Conv', undefined],
      ['Gemm', 'LeakyRelu'],
      ['MatMul', undefined],
    ]);
    const roles = Object.fromEntries(network.parameters.map(({ name, role, scope }) => [name, `${scope} ${role}`]));
    expect(roles).toMatchObject({
      'ln.g': 'vector gamma',
      'ln.b': 'vector beta',
      slope: 'neck slope',
      'mm.b': 'vector bias',
    });
    expect(network.tail.map(({ op }) => op)).toEqual(['ArgMax']);
  });
});

describe.each(['onnxruntime', 'journey6', 'tensorrt'] as const)('target %s', (target) => {
  it('exports what VALIDATION computes, bit for bit, and the model’s own outputs beside it', async () => {
    const scopes = quantisedScopes(await calibrate(network, w8a8(target)));
    const reference = await runReference(network, { scopes, outputs }, image);
    const forms = target === 'tensorrt' ? (['qdq', 'tensorrt'] as const) : (['qdq'] as const);
    for (const form of forms) {
      const exported = await runGraph(exportQdq(network, scopes, shapes, form).graph, image);
      expect(compareOutputs(reference, exported).differences, form).toEqual([]);
      expect(exported.get('class')?.shape).toEqual([BATCH, 1]);
    }
    const floats = await runReference(network, { scopes: floatScopes(network), outputs }, image);
    for (const name of outputs) {
      const difference = relativeDifference(
        reference.get(name)?.data as Float32Array,
        floats.get(name)?.data as Float32Array,
      );
      expect(difference, name).toBeGreaterThan(0);
      expect(difference, name).toBeLessThan(0.5);
    }
  });
});

describe('placement by target', () => {
  const place = (target: NonNullable<Profile['target']>) =>
    placeQuantizers(network, new Map([...floatScopes(network).keys()].map((scope) => [scope, w8a8(target)])));
  const unitOf = (weight: string) => network.units.find((unit) => unit.kind === 'layer' && unit.weight === weight);

  it('puts no quantiser before the input is scaled and shifted, and one after', () => {
    const { activations } = place('onnxruntime');
    expect(activations.has('image')).toBe(false);
    expect(activations.get(network.normalised)?.scope).toBe('backbone');
  });

  it('leaves a layer unquantised where the target adds the residual in its kernel', () => {
    const branch = unitOf('branch.w')?.output ?? '';
    expect(place('onnxruntime').activations.has(branch)).toBe(true);
    expect(place('journey6').activations.has(branch)).toBe(false);
    expect(place('tensorrt').activations.has(branch)).toBe(false);
  });

  it('quantises before an activation that the target does not fuse', () => {
    const stem = unitOf('stem.w');
    const linear = stem?.kind === 'layer' ? stem.linear : '';
    expect(place('onnxruntime').activations.has(linear)).toBe(true);
    expect(place('tensorrt').activations.has(linear)).toBe(false);
  });

  it('gives what is concatenated one scale where the target wants that', () => {
    const shared = [...place('tensorrt').activations.values()].filter(({ range, value }) => range !== value);
    expect(shared.map(({ range }) => range)).toEqual(['up', 'up']);
    expect(place('tensorrt').activations.has('up')).toBe(false);
    expect(place('journey6').activations.get('up')?.range).toBe('up');
  });

  it('refuses formats that the target does not have', () => {
    const wide: Profile = { ...w8a8('tensorrt'), activations: { bits: 16, unsignedAfterRelu: false } };
    expect(() => placeQuantizers(network, new Map([['backbone', wide]]))).toThrow(
      /target tensorrt has no 16-bit activations; it takes 8 bits/,
    );
  });
});

describe('hand-over forms', () => {
  it('refuse TensorRT’s form for a model that was calibrated for another target', async () => {
    const scopes = quantisedScopes(await calibrate(network, w8a8('onnxruntime')));
    expect(() => exportQdq(network, scopes, shapes, 'tensorrt')).toThrow(ExportError);
  });

  it('hold a folded float model with the names of its encodings', async () => {
    const scopes = quantisedScopes(await calibrate(network, w8a8('onnxruntime')));
    const { scales } = exportQdq(network, scopes, shapes);
    const parameters = new Map([...scopes.values()].flatMap(({ checkpoint }) => [...checkpoint.parameters]));
    const graph = exportFloat(network, parameters, shapes);
    const floats = await runReference(network, { scopes: floatScopes(network), outputs }, image);
    const found = await runGraph(graph, image);
    for (const name of outputs) {
      const difference = relativeDifference(
        found.get(name)?.data as Float32Array,
        floats.get(name)?.data as Float32Array,
      );
      expect(difference, name).toBeLessThanOrEqual(FOLDING_TOLERANCE);
    }
    const names = new Set([...graph.initializers.keys(), ...graph.nodes.flatMap((node) => node.outputs), 'image']);
    for (const { tensor } of scales) expect(names.has(tensor), tensor).toBe(true);
    const encodings = encodingsOf(scales, '0.6.1') as {
      readonly param_encodings: { readonly [name: string]: readonly unknown[] };
    };
    expect(encodings.param_encodings['stem.w']).toHaveLength(8);
    expect(encodings.param_encodings['stem.w']?.[0]).toMatchObject({ bitwidth: 8, offset: -128, is_symmetric: 'True' });
    expect(encodingsOf(scales, '1.0.0')).toMatchObject({ version: '1.0.0' });
    const rows = scalesCsv(scales).trimEnd().split('\r\n');
    expect(rows).toHaveLength(1 + scales.reduce((sum, { scale }) => sum + scale.length, 0));
    expect(rows[1]).toMatch(/^[^,]+,activation,backbone,int8,,0\.0/);
  });

  it.skipIf(!hasOnnx)('pass ONNX’s own checker, shape inference included (needs onnx: HEADGATE_PYTHON)', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headgate-checker-'));
    for (const target of ['onnxruntime', 'tensorrt'] as const) {
      const scopes = quantisedScopes(await calibrate(network, w8a8(target)));
      const form = target === 'tensorrt' ? 'tensorrt' : 'qdq';
      await writeFile(join(folder, `${target}.onnx`), encodeModel(exportQdq(network, scopes, shapes, form).graph));
    }
    const script = 'import onnx,sys\nfor p in sys.argv[1:]: onnx.checker.check_model(p, full_check=True)';
    const files = ['onnxruntime', 'tensorrt'].map((target) => join(folder, `${target}.onnx`));
    const { status, stderr } = spawnSync(python, ['-c', script, ...files], { encoding: 'utf8' });
    await rm(folder, { recursive: true });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});
