// The kernel as a library: what the documentation shows runs; its export equals its own deployed forward; its gradients are
// those of the training steps, which PyTorch has checked.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  calibrate,
  CalibrationError,
  compareOutputs,
  createSession,
  decode,
  differentiate,
  encode,
  exportQdq,
  prepare,
  qatForward,
  validationForward,
} from '../../src/qat/main.ts';
import type { GraphIr, Prepared, Quantised, Tensor } from '../../src/qat/main.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { float, ints } from '../../src/qat/onnx/ir.ts';
import { placementFor } from '../../src/qat/network/reference.ts';
import type { ScopeForward } from '../../src/qat/network/reference.ts';
import { compileProgram } from '../../src/qat/train/program.ts';
import { unpack } from '../../src/qat/train/layout.ts';
import { Trainer } from '../../src/qat/train/trainer.ts';
import { floatTensor, zeros } from '../../src/support/tensor.ts';
import { Random } from '../../src/support/random.ts';
import { randomTensor, runGraph } from '../qat/graphs.ts';
import { relativeDifference } from '../qat/differences.ts';
import { MANY_SCOPES, manyKinds } from '../qat/many-kinds.ts';
import { BATCH, OUTPUTS, parametersOf, randomBatch, smallGraph, w4a4, w8a16, w8a8 } from '../qat/networks.ts';
import { installLibrary } from '../support/installed-library.ts';

const image = randomBatch(3).get('image') as Tensor;
const batches = [1, 2].map((seed) => randomBatch(seed).get('image') as Tensor);

describe('the program of the documentation', () => {
  it('runs as it is printed, in a project that installed headgate', { timeout: 120_000 }, async () => {
    const root = await mkdtemp(join(tmpdir(), 'headgate-kernel-'));
    try {
      const text = await readFile(join(import.meta.dirname, '../../docs/library.md'), 'utf8');
      const [, program = ''] = /```js\n([^`]*?from 'headgate\/qat';[\s\S]*?)```/.exec(text) ?? [];
      expect(program).toContain('exportQdq(quantised)');
      await writeFile(join(root, 'program.mjs'), program);
      await writeFile(join(root, 'model.onnx'), encode(twoHeads()));
      await installLibrary(root);
      const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: root });
      expect(stdout).toBe('5 tensors with scales\ngradient of detection.conv.weight: [2, 4, 1, 1]\n');
      expect(decode(await readFile(join(root, 'model.qdq.onnx'))).nodes.map(({ op }) => op)).toContain(
        'QuantizeLinear',
      );
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});

describe('the kernel by itself', () => {
  it.each([
    ['w8a8', w8a8],
    ['w8a16', w8a16],
    ['w4a4', w4a4],
  ] as const)('exports a file whose unoptimised outputs are those of the deployed forward (%s)', async (_, profile) => {
    const quantised = await calibrate(await prepare(smallGraph(), { profile }), batches);
    const reference = await runGraph(validationForward(quantised, { batch: BATCH, outputs: OUTPUTS }), feeds(image));
    const { graph } = await exportQdq(quantised);
    const exported = await runGraph(decode(encode(graph)), feeds(image));
    const named = new Map(OUTPUTS.map((name) => [name, reference.get(`out.${name}`) as Tensor]));
    const comparison = compareOutputs(named, exported);
    expect(comparison.differences).toEqual([]);
    expect(comparison.values).toBeGreaterThan(500);
  });

  it('gives a scope the profile that is named for it', async () => {
    const prepared = await prepare(smallGraph(), { profile: w8a8, profiles: { detection: w8a16 } });
    const bits = (scope: string): ReadonlySet<number> =>
      new Set([...prepared.placement.activations.values()].flatMap((q) => (q.scope === scope ? [q.format.bits] : [])));
    expect([bits('backbone'), bits('detection'), bits('segmentation')]).toEqual([
      new Set([8]),
      new Set([16]),
      new Set([8]),
    ]);
  });

  it('takes a tree of scopes: a neck that two heads share, observed and exported between them and the backbone', async () => {
    const scopes = MANY_SCOPES;
    const quantised = await calibrate(await prepare(manyKinds(), { scopes, profile: w8a8 }), batches);
    const outputs = Object.values(scopes.heads).flatMap((head) => head.outputs);
    expect([...quantised.scopes.keys()]).toEqual(['backbone', 'neck', 'dense', 'sharp', 'vector']);
    const { quant } = (quantised.scopes.get('neck') as ScopeForward).checkpoint;
    expect([...(quant?.activations.keys() ?? [])]).toContain('up');
    const { graph } = await exportQdq(quantised);
    const exported = await runGraph(decode(encode(graph)), feeds(image));
    const reference = await runGraph(validationForward(quantised, { batch: BATCH, outputs }), feeds(image));
    for (const name of outputs) expect(exported.get(name)?.data, name).toEqual(reference.get(`out.${name}`)?.data);
  });

  it('names the activation that showed nothing finite, and refuses to calibrate without data', async () => {
    const prepared = await prepare(smallGraph(), { profile: w8a8 });
    const broken = floatTensor(image.shape, new Float32Array(image.data.length).fill(NaN));
    await expect(calibrate(prepared, [broken])).rejects.toThrow(/activation "image" showed no finite value/);
    await expect(calibrate(prepared, [])).rejects.toThrow(CalibrationError);
  });
});

describe('differentiate', () => {
  /** Of the largest gradient: float32 sums in two orders. */
  const TOLERANCE = 1e-5;
  let prepared: Prepared;
  let quantised: Quantised;
  beforeAll(async () => {
    prepared = await prepare(smallGraph(), { profile: w8a8 });
    quantised = await calibrate(prepared, batches);
  });

  it('gives through fake quantisers what a training step of the same loss takes', async () => {
    const [output] = OUTPUTS;
    const wanted = ['detection.out.weight', 'detection.hidden.bias', 'backbone.stem.weight', 'backbone.stem.bn.gamma'];
    const forward = qatForward(quantised, { batch: BATCH, outputs: [output] });
    const constants = parametersOf(prepared.network);
    const backward = await runGradients(
      await differentiate(forward, { wanted }),
      new Map([...feeds(image), ...wanted.map((name) => [name, constants.get(name) as Tensor] as const)]),
      // Of the mean of squares: 2·y / count.
      (values) => values.map((value) => (2 * value) / values.length),
    );
    const expected = await trainingGradients(output);
    for (const name of wanted)
      expect(
        relativeDifference(backward.get(name) as Float32Array, expected.get(name) as Float32Array),
        name,
      ).toBeLessThan(TOLERANCE);
  });

  it('gives for a smooth float graph what central differences give', async () => {
    const graph = smooth();
    const random = new Random(4);
    const [x, w] = [randomTensor(random, [2, 3]), graph.initializers.get('w') as Tensor];
    const given = new Map([
      ['x', x],
      ['w', w],
    ]);
    const found = await runGradients(await differentiate(graph, { wanted: ['x', 'w'], batch: 2 }), given, (y) =>
      y.map(() => 1),
    );
    const STEP = 1e-2;
    const sumAt = async (name: string, index: number, step: number): Promise<number> => {
      const moved = (name === 'x' ? x : w).data.slice() as Float32Array;
      moved[index] = (moved[index] as number) + step;
      const initializers = new Map([['w', name === 'w' ? { ...w, data: moved } : w]]);
      const feed = name === 'x' ? floatTensor(x.shape, moved) : x;
      const { y } = Object.fromEntries(await runGraph({ ...graph, initializers }, new Map([['x', feed]])));
      return (y?.data as Float32Array).reduce((sum, value) => sum + value, 0);
    };
    for (const name of ['x', 'w']) {
      const gradient = found.get(name) as Float32Array;
      for (const index of gradient.keys()) {
        const slope = ((await sumAt(name, index, STEP)) - (await sumAt(name, index, -STEP))) / (2 * STEP);
        expect(gradient[index]).toBeCloseTo(slope, 3);
      }
    }
  });

  async function trainingGradients(output: string): Promise<ReadonlyMap<string, Float32Array>> {
    const { network, scopes } = quantised;
    const parameters = parametersOf(network);
    const ranges = new Map(
      [...scopes.values()].flatMap(({ checkpoint }) => [...(checkpoint.quant?.activations ?? [])]),
    );
    const state = { state: 'QAT', trained: true, batchNorm: 'frozen' } as const;
    const gradientOnly = { kind: 'sgd', weightDecay: 0, momentum: 0 } as const;
    const [target] = (await outputShapes(output)) as [readonly number[]];
    const program = await compileProgram({
      network,
      scopes: new Map([...scopes.keys()].map((scope) => [scope, state])),
      placement: placementFor(network, scopes),
      constants: parameters,
      ranges,
      activationScales: 'fixed',
      losses: [{ kind: 'distill', output, target: 'target', weight: 1 }],
      targets: [{ name: 'target', dtype: 'float32', shape: target }],
      batch: BATCH,
      boundaryShapes: new Map(),
      optimizer: gradientOnly,
      momentum: 0.1,
    });
    const trainer = await Trainer.start(program, gradientOnly, 1, { parameters, ranges });
    await trainer.step(new Map([...feeds(image), ['target', zeros(target)]]), {
      learningRate: 0,
      averagingConstant: 0,
    });
    const gradients = unpack(program.parameters, trainer.state.first);
    await trainer.release();
    return new Map([...gradients].map(([name, { data }]) => [name, data]));
  }

  async function outputShapes(...outputs: readonly string[]): Promise<readonly (readonly number[])[]> {
    const found = await runGraph(validationForward(quantised, { batch: BATCH, outputs }), feeds(image));
    return outputs.map((output) => found.get(`out.${output}`)?.shape ?? []);
  }
});

/** Runs the forward for its outputs, then again with their gradients. */
async function runGradients(
  graph: GraphIr,
  given: ReadonlyMap<string, Tensor>,
  upstreamOf: (values: Float32Array) => Float32Array,
): Promise<ReadonlyMap<string, Float32Array>> {
  const session = await createSession(encode(graph), { threads: 1, optimisation: 'all' });
  const seeds = graph.inputs.filter(({ name }) => name.startsWith('upstream.'));
  const zeroSeeds = seeds.map(({ name, shape }) => [name, zeros((shape ?? []).map(Number))] as const);
  const values = await session.run(new Map([...given, ...zeroSeeds]));
  const upstream = seeds.map(({ name }) => {
    const value = values.get(name.slice('upstream.'.length)) as Tensor;
    return [name, floatTensor(value.shape, upstreamOf(value.data as Float32Array))] as const;
  });
  const results = await session.run(new Map([...given, ...upstream]));
  await session.release();
  return new Map(
    [...results].flatMap(([name, { data }]) =>
      name.startsWith('gradient.') ? [[name.slice('gradient.'.length), data as Float32Array] as const] : [],
    ),
  );
}

function feeds(images: Tensor): ReadonlyMap<string, Tensor> {
  return new Map([['image', images]]);
}

/** y = sigmoid(x·w)·x·w. */
function smooth(): GraphIr {
  const b = new GraphBuilder('t');
  b.initializers.set('w', randomTensor(new Random(2), [3, 2]));
  const product = b.emit('MatMul', ['x', 'w']);
  b.emit('Mul', [b.emit('Sigmoid', [product]), product], {}, { outputs: ['y'] });
  const inputs = [{ name: 'x', dtype: 'float32', shape: ['N', 3] }] as const;
  return b.finish({ name: 'smooth', opset: 18, inputs, outputs: [{ name: 'y', dtype: 'float32' }] });
}

/** The model that the documentation speaks of: without scopes, which its program names. */
function twoHeads(): GraphIr {
  const b = new GraphBuilder('m');
  const random = new Random(1);
  const tensor = (name: string, shape: readonly number[]): string => {
    b.initializers.set(name, randomTensor(random, shape, 0.5));
    return name;
  };
  const conv = (name: string, input: string, shape: readonly number[], output: string): string =>
    b.emit(
      'Conv',
      [input, tensor(`${name}.weight`, shape), tensor(`${name}.bias`, [shape[0] as number])],
      { kernel_shape: ints(shape.slice(2)), pads: ints([0, 0, 0, 0]) },
      { outputs: [output] },
    );
  const stem = conv('backbone.conv', 'image', [4, 3, 3, 3], 'stem');
  const statistics = ['gamma', 'beta', 'mean', 'variance'].map((role) => {
    b.initializers.set(role, { dtype: 'float32', shape: [4], data: Float32Array.of(1, 0.5, 2, 1.5) });
    return role;
  });
  const normal = b.emit('BatchNormalization', [stem, ...statistics], { epsilon: float(1e-5) });
  b.emit('Relu', [normal], {}, { outputs: ['features'] });
  conv('detection.conv', 'features', [2, 4, 1, 1], 'boxes');
  conv('segmentation.conv', 'features', [3, 4, 1, 1], 'mask');
  const output = (name: string) => ({ name, dtype: 'float32' as const });
  return b.finish({
    name: 'two heads',
    opset: 17,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, 8, 8] }],
    outputs: [output('boxes'), output('mask')],
  });
}
