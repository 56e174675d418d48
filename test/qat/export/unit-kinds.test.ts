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
import { encodeModel } from '../../../src/qat/onnx/codec.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import { calibrate, floatScopes, quantisedScopes, runReference } from '../checkpoints.ts';
import { relativeDifference } from '../differences.ts';
import { runGraph } from '../graphs.ts';
import { MANY_SCOPES, manyKinds } from '../many-kinds.ts';
import { BATCH, randomBatch, SIZE } from '../networks.ts';

/** Folding batch norm changes the order of float operations. */
const FOLDING_TOLERANCE = 1e-5;

const network = recogniseNetwork(manyKinds(), MANY_SCOPES);
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

  it('hold for TensorRT nothing but symmetric int8 pairs, and biases that no quantiser touches', async () => {
    const scopes = quantisedScopes(await calibrate(network, w8a8('tensorrt')));
    const { nodes, initializers } = exportQdq(network, scopes, shapes, 'tensorrt').graph;
    const pairs = nodes.filter(({ op }) => op === 'QuantizeLinear' || op === 'DequantizeLinear');
    expect(pairs.length).toBeGreaterThan(20);
    for (const { inputs } of pairs) {
      const zero = initializers.get(inputs[2] ?? '');
      expect(zero?.dtype).toBe('int8');
      expect(Array.from(zero?.data ?? [1], Number).every((value) => value === 0)).toBe(true);
    }
    const biases = nodes.filter(
      ({ op, inputs }) => ['Conv', 'ConvTranspose', 'Gemm'].includes(op) && inputs.length > 2,
    );
    expect(biases.length).toBeGreaterThan(3);
    for (const { inputs } of biases) expect(initializers.get(inputs[2] ?? '')?.dtype).toBe('float32');
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
