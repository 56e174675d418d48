// Quantised training of every kind of layer that targets place quantisers around: Gemm, MatMul, grouped transposed convolutions
// with batch norm, a neck, values that share one scale; with every source of scales and every form of batch norm.
import { describe, expect, it } from 'vitest';
import { foldIntoWeights } from '../../../src/qat/network/fold.ts';
import { recogniseNetwork } from '../../../src/qat/network/network.ts';
import type { ScopeCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import type { OptimizerSettings } from '../../../src/qat/train/optimizer.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import type { ProgramRequest } from '../../../src/qat/train/program.ts';
import { isScaleSlot } from '../../../src/qat/train/scale-slots.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { calibrate, floatScopes, quantisedScopes, runReference, scopeNames } from '../checkpoints.ts';
import { sameBits } from '../differences.ts';
import { MANY_SCOPES, manyKinds } from '../many-kinds.ts';
import { BATCH, randomBatch } from '../networks.ts';

const network = recogniseNetwork(manyKinds(), MANY_SCOPES);
const OUTPUTS = ['dense.out', 'sharp.out', 'vector.out'] as const;
const optimizer: OptimizerSettings = { kind: 'sgd', weightDecay: 0, momentum: 0 };
const still = { learningRate: 0, averagingConstant: 0 };

const profile = (target: NonNullable<Profile['target']>, more: Partial<Profile> = {}): Profile => ({
  target,
  weights: { bits: 8 },
  activations: { bits: 8, unsignedAfterRelu: false },
  ...more,
});

interface Prepared {
  readonly trainer: Trainer;
  readonly request: ProgramRequest;
  readonly data: ReadonlyMap<string, Tensor>;
}

async function prepare(
  of: Profile,
  batchNorm: TrainState['batchNorm'],
  scales: Pick<ProgramRequest, 'activationScales' | 'weightScales'>,
): Promise<Prepared> {
  const calibrated = await calibrate(network, of);
  const all = [...calibrated.values()];
  const image = randomBatch(1);
  const taught = await runReference(network, { scopes: floatScopes(network), outputs: OUTPUTS }, image);
  const start = new Map(all.flatMap(({ parameters }) => [...parameters]));
  const parameters = batchNorm === 'folded' ? foldIntoWeights(network, start) : start;
  const ranges = new Map(all.flatMap(({ quant }) => [...(quant?.activations ?? [])]));
  const request: ProgramRequest = {
    network,
    scopes: new Map(scopeNames(network).map((scope) => [scope, { state: 'QAT', trained: true, batchNorm }])),
    placement: placeQuantizers(network, new Map(scopeNames(network).map((scope) => [scope, of]))),
    constants: parameters,
    ranges,
    ...scales,
    losses: OUTPUTS.map((output) => ({ kind: 'distill', output, target: `target.${output}`, weight: 1 })),
    targets: OUTPUTS.map((output) => ({
      name: `target.${output}`,
      dtype: 'float32',
      shape: taught.get(output)?.shape ?? [],
    })),
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
  };
  const weightScales = new Map(all.flatMap(({ quant }) => [...(quant?.weights ?? [])]));
  const trainer = await Trainer.start(await compileProgram(request), optimizer, 1, {
    parameters,
    ranges,
    weightScales,
  });
  const data = new Map<string, Tensor>([...image].filter(([name]) => name === network.input.name));
  for (const [name, tensor] of taught) data.set(`target.${name}`, tensor);
  return { trainer, request, data };
}

const learned = { activationScales: 'learned', weightScales: 'learned' } as const;
const fixed = { activationScales: 'fixed', weightScales: 'derived' } as const;

describe.each(['journey6', 'onnxruntime', 'tensorrt'] as const)('on target %s', (target) => {
  it.each([{}, { rounding: 'inverse-multiply' }] as const)(
    'learned scales start as the calibrated ones: the same losses to the bit (%o)',
    async (more) => {
      const [one, other] = [
        await prepare(profile(target, more), 'frozen', learned),
        await prepare(profile(target, more), 'frozen', fixed),
      ];
      expect(await one.trainer.step(one.data, still)).toEqual(await other.trainer.step(other.data, still));
      await Promise.all([one.trainer.release(), other.trainer.release()]);
    },
  );

  it('values that share a scale learn it together, and every weight and scale has a gradient', async () => {
    const { trainer, request, data } = await prepare(profile(target), 'frozen', learned);
    await trainer.step(data, still);
    const { parameters } = await compileProgram(request);
    const [first, slots] = [trainer.state.first, parameters.slots];
    let offset = 0;
    for (const { name, shape } of slots) {
      const size = shape.reduce((product, of) => product * of, 1);
      const gradient = first.subarray(offset, offset + size);
      offset += size;
      expect(gradient.every(Number.isFinite), name).toBe(true);
      const weighs = isScaleSlot(name) || request.placement.weights.has(name);
      if (weighs)
        expect(
          gradient.some((value) => value !== 0),
          name,
        ).toBe(true);
    }
    const activationSlots = slots.filter(({ name }) => name.startsWith('activation-scale:'));
    expect(activationSlots.length).toBe(request.placement.ranges.size);
    expect(slots.filter(({ name }) => name.startsWith('weight-scale:')).length).toBe(request.placement.weights.size);
    await trainer.release();
  });
});

describe.each(['train', 'kept', 'folded', 'frozen'] as const)('batch norm %s', (batchNorm) => {
  it('is trained towards the float model', async () => {
    const { trainer, request, data } = await prepare(profile('onnxruntime'), batchNorm, fixed);
    const before = (await trainer.step(data, still)).get('loss') as number;
    let after = before;
    for (let step = 0; step < 6; step++)
      after = (await trainer.step(data, { learningRate: 0.02, averagingConstant: 0 })).get('loss') as number;
    expect(after).toBeLessThan(before);
    for (const [name, { data: values }] of trainer.parameters()) expect(values.every(Number.isFinite), name).toBe(true);
    const moved = trainer.parameters().get('mm.w') as FloatTensor;
    expect(sameBits(moved.data, request.constants.get('mm.w')?.data as Float32Array)).toBe(false);
    await trainer.release();
  });
});

describe('batch norm that is folded before training', () => {
  it('gives the deployed form to the bit that folding at the deployment gives', async () => {
    const calibrated = await calibrate(network, profile('onnxruntime'));
    const folded = new Map(
      [...calibrated].map(([scope, checkpoint]): [string, ScopeCheckpoint] => [
        scope,
        { ...checkpoint, parameters: foldIntoWeights(network, checkpoint.parameters) },
      ]),
    );
    const image = randomBatch(9);
    const run = (of: ReadonlyMap<string, ScopeCheckpoint>) =>
      runReference(network, { scopes: quantisedScopes(of), outputs: OUTPUTS }, image);
    const [late, early] = [await run(calibrated), await run(folded)];
    for (const output of OUTPUTS)
      expect(sameBits(early.get(output)?.data as Float32Array, late.get(output)?.data as Float32Array), output).toBe(
        true,
      );
  });
});
