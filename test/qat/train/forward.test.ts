// What training sees against what is deployed: the QAT forward and the VALIDATION forward are two programs for one function,
// apart only by the rounding of biases, which training leaves out.
import { describe, expect, it } from 'vitest';
import { placementFor } from '../../../src/qat/network/reference.ts';
import type { Range, ScopeCheckpoint } from '../../../src/qat/quantize/checkpoint.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import type { OptimizerSettings } from '../../../src/qat/train/optimizer.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import type { Tensor } from '../../../src/support/tensor.ts';
import { calibrate, floatScopes, quantisedScopes, runReference, scopeNames } from '../checkpoints.ts';
import { BATCH, mixed, OUTPUTS, parametersOf, randomBatch, smallNetwork, w4a4, w8a16, w8a8 } from '../networks.ts';

/**
 * Root mean square distances over an output's own spread. With float biases the two forwards are equal to the bit where this
 * was measured; another instruction set may tip a value at a rounding tie over by one step.
 */
const TIPPED = 0.03;
/** What rounding the biases to the accumulators' grid does to this untrained network: 8e-5, 0.02 and 0.25 were measured. */
const BIAS_ROUNDING = { w8a16: 1e-3, w8a8: 0.05, w4a4: 0.4 } as const;
/** Float forwards, one optimised by the runtime and one not. */
const FLOAT_NOISE = 1e-6;

const optimizer: OptimizerSettings = { kind: 'sgd', weightDecay: 0, momentum: 0 };
const network = smallNetwork();
const parameters = parametersOf(network);
const batch = randomBatch(1);

/** Mean squared distance of each head's training-forward output to `reference`. */
async function distances(
  reference: ReadonlyMap<string, Tensor>,
  state: 'FLOAT' | 'QAT',
  profile?: typeof w8a8,
): Promise<readonly number[]> {
  const checkpoints = profile === undefined ? new Map<string, ScopeCheckpoint>() : await calibrate(network, profile);
  const placement = placementFor(network, profile === undefined ? floatScopes(network) : quantisedScopes(checkpoints));
  const ranges = new Map<string, Range>(
    [...checkpoints.values()].flatMap((checkpoint) => [...(checkpoint.quant?.activations ?? [])]),
  );
  const scope: TrainState = { state, trained: true, batchNorm: 'frozen' };
  const program = await compileProgram({
    network,
    scopes: new Map(scopeNames(network).map((name) => [name, scope])),
    placement,
    constants: parameters,
    ranges,
    activationScales: 'fixed',
    losses: OUTPUTS.map((output) => ({ kind: 'distill', output, target: `target.${output}`, weight: 1 })),
    targets: OUTPUTS.map((output) => ({
      name: `target.${output}`,
      dtype: 'float32',
      shape: reference.get(output)?.shape ?? [],
    })),
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
  });
  const trainer = await Trainer.start(program, optimizer, 1, { parameters, ranges });
  const data = new Map<string, Tensor>([
    ['image', batch.get('image') as Tensor],
    ...OUTPUTS.map((output): [string, Tensor] => [`target.${output}`, reference.get(output) as Tensor]),
  ]);
  const losses = await trainer.step(data, { learningRate: 0, averagingConstant: 0 });
  await trainer.release();
  return OUTPUTS.map((output) => losses.get(`loss.distill.${output}`) as number);
}

const variance = (values: Float32Array): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
};

/** Root mean square distance over the output's own spread. */
function relative(distance: number, reference: Tensor | undefined): number {
  return Math.sqrt(distance / variance(reference?.data as Float32Array));
}

describe('the training forward', () => {
  it('is the float model in state FLOAT', async () => {
    const reference = await runReference(network, { scopes: floatScopes(network), outputs: OUTPUTS }, batch);
    for (const [index, distance] of (await distances(reference, 'FLOAT')).entries()) {
      expect(relative(distance, reference.get(OUTPUTS[index] ?? ''))).toBeLessThan(FLOAT_NOISE);
    }
  });

  it.each([
    ['w8a16', w8a16],
    ['w8a8', w8a8],
    ['w4a4', w4a4],
    ['w8a16 rounded as PyTorch does', { ...w8a16, rounding: 'inverse-multiply' }],
    ['w4a4 rounded as PyTorch does', { ...w4a4, rounding: 'inverse-multiply' }],
    ['w8a8 with scales of powers of two', { ...w8a8, powerOfTwoScales: true }],
    ['w4a4 with scales of powers of two', { ...w4a4, powerOfTwoScales: true }],
    ['exceptions by layer', mixed],
  ] as const)('is the deployed form in state QAT where biases stay float: %s', async (_, profile) => {
    const scopes = quantisedScopes(await calibrate(network, profile));
    const quantisers = network.units.flatMap((unit) =>
      unit.kind === 'layer' ? [unit.weight, unit.output] : [unit.output],
    );
    const only = { scopes: new Set(scopeNames(network)), quantisers: new Set(['image', ...quantisers]) };
    const reference = await runReference(network, { scopes, outputs: OUTPUTS, only }, batch);
    for (const [index, distance] of (await distances(reference, 'QAT', profile)).entries()) {
      expect(relative(distance, reference.get(OUTPUTS[index] ?? ''))).toBeLessThan(TIPPED);
    }
  });

  it.each([
    ['w8a16', w8a16],
    ['w8a8', w8a8],
    ['w4a4', w4a4],
  ] as const)('is the deployed form in state QAT, but for the rounding of biases: %s', async (name, profile) => {
    const scopes = quantisedScopes(await calibrate(network, profile));
    const reference = await runReference(network, { scopes, outputs: OUTPUTS }, batch);
    for (const [index, distance] of (await distances(reference, 'QAT', profile)).entries()) {
      expect(relative(distance, reference.get(OUTPUTS[index] ?? ''))).toBeLessThan(BIAS_ROUNDING[name]);
    }
  });
});
