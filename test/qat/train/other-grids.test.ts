// Whole QAT steps on the two other grids, of powers of two and rounded as PyTorch rounds: scales are what scheme.ts says, the
// gradient arrives, and the export says what it cannot express.
import { describe, expect, it } from 'vitest';
import { ExportError } from '../../../src/qat/export/export-error.ts';
import { exportQdq } from '../../../src/qat/export/qdq.ts';
import { compareOutputs } from '../../../src/qat/freeze/compare.ts';
import { placementFor } from '../../../src/qat/network/reference.ts';
import type { Range } from '../../../src/qat/quantize/checkpoint.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import type { OptimizerSettings } from '../../../src/qat/train/optimizer.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import { calibrate, quantisedScopes, runReference, scopeNames } from '../checkpoints.ts';
import { runGraph } from '../graphs.ts';
import {
  BATCH,
  CLASSES,
  OUTPUTS,
  parametersOf,
  randomBatch,
  SIZE,
  smallNetwork,
  targets,
  w4a4,
  w8a8,
} from '../networks.ts';

const optimizer: OptimizerSettings = { kind: 'sgd', weightDecay: 0, momentum: 0 };
const network = smallNetwork();
const shapes = new Map([
  ['detection.out', [CLASSES.detection, SIZE / 4, SIZE / 4]],
  ['segmentation.out', [CLASSES.segmentation, SIZE / 2, SIZE / 2]],
]);

/** Some steps of every scope with ranges that follow. */
async function trained(profile: Profile, steps: number) {
  const checkpoints = await calibrate(network, profile);
  const scopes = quantisedScopes(checkpoints);
  const placement = placementFor(network, scopes);
  const ranges = new Map<string, Range>(
    [...checkpoints.values()].flatMap(({ quant }) => [...(quant?.activations ?? [])]),
  );
  const state: TrainState = { state: 'QAT', trained: true, batchNorm: 'train' };
  const program = await compileProgram({
    network,
    scopes: new Map(scopeNames(network).map((name) => [name, state])),
    placement,
    constants: new Map(),
    ranges,
    activationScales: 'follow',
    losses: [
      { kind: 'focal-heatmap', output: 'detection.out', target: 'target.detection', weight: 1 },
      { kind: 'cross-entropy', ignore: 255, output: 'segmentation.out', target: 'target.segmentation', weight: 1 },
    ],
    targets,
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
  });
  const trainer = await Trainer.start(program, optimizer, 1, { parameters: parametersOf(network), ranges });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const result = await trainer.step(randomBatch(1), { learningRate: 0.02, averagingConstant: 0.1 });
    losses.push(result.get('loss') as number);
  }
  const found = { losses, ranges: trainer.ranges(placement), parameters: trainer.parameters(), scopes };
  await trainer.release();
  return found;
}

describe('QAT with scales of powers of two', () => {
  it.each([w8a8, w4a4])('learns, and every scale that followed is a power of two: %j', async (profile) => {
    const { losses, ranges } = await trained({ ...profile, powerOfTwoScales: true }, 6);
    expect(losses.at(-1)).toBeLessThan(losses[0] as number);
    expect(ranges.size).toBeGreaterThan(10);
    for (const { scale } of ranges.values()) expect(Number.isInteger(Math.log2(scale))).toBe(true);
  });

  it('is exported to the bit, since QuantizeLinear takes any scale', async () => {
    const scopes = quantisedScopes(await calibrate(network, { ...w8a8, powerOfTwoScales: true }));
    const reference = await runReference(network, { scopes, outputs: OUTPUTS }, randomBatch(2));
    const { graph, scales } = exportQdq(network, scopes, shapes);
    expect(compareOutputs(reference, await runGraph(graph, randomBatch(2))).differences).toEqual([]);
    for (const { scale } of scales) for (const value of scale) expect(Number.isInteger(Math.log2(value))).toBe(true);
  });
});

describe('QAT rounded as PyTorch rounds', () => {
  it('learns, and is another training than the one that divides', async () => {
    // At 16 bits about two values in ten thousand round to another step, enough to move some gradient.
    const wide: Profile = { ...w8a8, activations: { bits: 16, unsignedAfterRelu: false } };
    const other = await trained({ ...wide, rounding: 'inverse-multiply' }, 4);
    const divided = await trained(wide, 4);
    expect(other.losses.at(-1)).toBeLessThan(other.losses[0] as number);
    expect([...other.parameters.values()]).not.toEqual([...divided.parameters.values()]);
  });

  it.each(['qdq', 'tensorrt'] as const)('is refused by the %s form with the scope and the reason', async (form) => {
    const scopes = quantisedScopes(await calibrate(network, { ...w8a8, rounding: 'inverse-multiply' }));
    const attempt = () => exportQdq(network, scopes, shapes, form);
    expect(attempt).toThrow(ExportError);
    expect(attempt).toThrow(/scope "backbone" rounds by inverse-multiply, which QuantizeLinear cannot express/);
  });
});
