// One training step of a whole small network against PyTorch: losses, the gradient of every parameter, running statistics;
// in float, on a frozen backbone, and with fake-quant.
import { describe, expect, it } from 'vitest';
import { foldIntoWeights } from '../../../src/qat/network/fold.ts';
import { BACKBONE } from '../../../src/qat/network/network.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Range } from '../../../src/qat/quantize/checkpoint.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import type { LossSpec } from '../../../src/qat/train/losses.ts';
import type { TargetSpec, TrainingProgram } from '../../../src/qat/train/program.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import { unpack } from '../../../src/qat/train/layout.ts';
import type { OptimizerSettings } from '../../../src/qat/train/optimizer.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { relativeDifference } from '../differences.ts';
import { readGolden } from '../golden-file.ts';
import { BATCH, BOUNDARY, smallNetwork, targets } from '../networks.ts';

interface NetworkCase {
  readonly name: string;
  readonly state: 'FLOAT' | 'QAT';
  readonly batchNorm: TrainState['batchNorm'];
  readonly inclusive?: true;
  readonly learned?: true;
  readonly switched?: true;
  readonly profile?: {
    readonly w: number;
    readonly a: number;
    readonly unsigned?: boolean;
    readonly firstLast?: number;
  };
  readonly frozen: readonly string[];
  readonly tasks: readonly string[];
  readonly distill: boolean;
  readonly weights: { readonly [task: string]: number };
  readonly momentum: number;
}

/** Of losses, of running statistics, and of each parameter's gradient. */
const TOLERANCE = 1e-5;
/**
 * At 16 bits some activation always lies nearer to a rounding tie than float32 noise: PyTorch's own float32 and float64
 * gradients of this step differ by 2.6e-4.
 */
const TOLERANCE_16_BITS = 5e-4;
/** Of the largest gradient of all: below it a reference is zero but for rounding (a bias before training batch norm). */
const ZERO = 1e-7;
/**
 * An activation's scale has one number for a gradient, a sum in which saturated values of either sign nearly cancel: PyTorch's
 * own float32 and float64 differ by up to 1.8e-4 of it (5e-7 of the largest such gradient, which meets TOLERANCE).
 */
const TOLERANCE_SCALES = 5e-4;
const DISTILL_WEIGHT = 2;

/** Momentum 0, decay 0: the momentum buffer after a step is that step's gradient. */
const gradientOnly: OptimizerSettings = { kind: 'sgd', weightDecay: 0, momentum: 0 };

const golden = readGolden<NetworkCase>('network.safetensors');
const network = smallNetwork();
const parameters = new Map<string, FloatTensor>(
  network.parameters.map(({ name }) => [name, golden.tensor(`parameter/${name}`) as FloatTensor]),
);

function profileOf({ w, a, unsigned, firstLast }: NonNullable<NetworkCase['profile']>): Profile {
  return {
    weights: { bits: w },
    activations: { bits: a, unsignedAfterRelu: unsigned ?? false },
    ...(firstLast === undefined ? {} : { firstLast: { bits: firstLast } }),
  };
}

function lossesOf(test: NetworkCase): readonly LossSpec[] {
  const weight = (task: string): number => test.weights[task] ?? 1;
  const ofTask = (task: string): LossSpec =>
    task === 'detection'
      ? { kind: 'focal-heatmap', output: 'detection.out', target: 'target.detection', weight: weight(task) }
      : {
          kind: 'cross-entropy',
          output: 'segmentation.out',
          target: 'target.segmentation',
          ignore: 255,
          weight: weight(task),
        };
  const distances = BOUNDARY.map((value): LossSpec => ({
    kind: 'distill',
    output: value,
    target: `target.${value}`,
    weight: DISTILL_WEIGHT,
  }));
  return [...test.tasks.map(ofTask), ...(test.distill ? distances : [])];
}

interface Step {
  readonly program: TrainingProgram;
  readonly losses: ReadonlyMap<string, number>;
  readonly gradients: ReadonlyMap<string, FloatTensor>;
  readonly statistics: ReadonlyMap<string, FloatTensor>;
}

async function takeStep(test: NetworkCase): Promise<Step> {
  const scopeNames = test.distill ? [BACKBONE] : [BACKBONE, ...test.tasks];
  const scopes = new Map(
    scopeNames.map((scope): [string, TrainState] => [
      scope,
      { state: test.state, trained: !test.frozen.includes(scope), batchNorm: test.batchNorm },
    ]),
  );
  const profile = test.profile === undefined ? undefined : profileOf(test.profile);
  const placement = placeQuantizers(
    network,
    new Map(profile === undefined ? [] : scopeNames.map((scope) => [scope, profile])),
  );
  const ranges = new Map<string, Range>();
  for (const value of placement.activations.keys()) {
    ranges.set(value, { min: 0, max: 0, scale: golden.floats(`${test.name}/scale.${value}`)[0] as number });
  }
  const losses = lossesOf(test);
  const boundaryTargets = test.distill
    ? BOUNDARY.map((value): TargetSpec => ({
        name: `target.${value}`,
        dtype: 'float32',
        shape: golden.tensor(`${test.name}/target.${value}`).shape,
      }))
    : [];
  const used = targets.filter(({ name }) => losses.some(({ target }) => target === name));
  const start = test.batchNorm === 'folded' ? foldIntoWeights(network, parameters) : parameters;
  const weightScales = new Map(
    [...placement.weights.keys()].flatMap((weight) =>
      test.learned === true ? [[weight, golden.floats(`${test.name}/weight-scale:${weight}`)] as const] : [],
    ),
  );
  const program = await compileProgram({
    network,
    scopes,
    placement,
    constants: start,
    ranges,
    activationScales: test.learned === true ? 'learned' : 'fixed',
    weightScales: test.learned === true ? 'learned' : 'derived',
    straightThrough: test.inclusive === true ? 'inclusive' : 'masked',
    switchesBatchNorm: test.switched === true,
    losses,
    targets: [...used, ...boundaryTargets],
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer: gradientOnly,
    momentum: test.momentum,
  });
  const data = new Map<string, Tensor>(
    program.dataInputs.map(({ name }) => [name, golden.tensor(`${test.name}/${name}`)]),
  );
  const trainer = await Trainer.start(program, gradientOnly, 1, { parameters: start, ranges, weightScales });
  const values = await trainer.step(data, {
    learningRate: 0,
    averagingConstant: 0,
    batchNormFrozen: test.switched === true,
  });
  const { first, statistics } = trainer.state;
  await trainer.release();
  return {
    program,
    losses: values,
    gradients: unpack(program.parameters, first),
    statistics: unpack(program.statistics, statistics),
  };
}

/** Only parameters that reach the loss have a gradient in PyTorch; the others' is zero here. */
function goldenGradient(test: NetworkCase, name: string, size: number): Float32Array {
  const key = `${test.name}/grad.${name}`;
  return golden.has(key) ? golden.floats(key) : new Float32Array(size);
}

function largest(values: Float32Array): number {
  return values.reduce((magnitude, value) => Math.max(magnitude, Math.abs(value)), 0);
}

describe.each(golden.cases)('a training step agrees with PyTorch: $name', (test) => {
  it('in its losses, its gradients and its running statistics', async () => {
    const { program, losses, gradients, statistics } = await takeStep(test);
    for (const [name, value] of losses) {
      const reference = golden.floats(
        `${test.name}/loss.${name === 'loss' ? 'total' : name.replace(/^loss\.(distill\.)?/, '')}`,
      );
      expect(relativeDifference([value], reference), name).toBeLessThanOrEqual(TOLERANCE);
    }
    expect(gradients.size).toBe(program.differentiated.length);
    const references = new Map(
      [...gradients].map(([name, { data }]) => [name, goldenGradient(test, name, data.length)]),
    );
    const floor = ZERO * Math.max(...[...references.values()].map(largest));
    const scales = [...references].filter(([name]) => name.startsWith('activation-scale:'));
    const largestScale = Math.max(...scales.map(([, reference]) => largest(reference)));
    for (const [name, { data }] of gradients) {
      const reference = references.get(name) as Float32Array;
      if (name.startsWith('activation-scale:')) {
        const difference = Math.abs((data[0] as number) - (reference[0] as number));
        expect(difference / largestScale, name).toBeLessThanOrEqual(TOLERANCE);
        expect(difference / largest(reference), name).toBeLessThanOrEqual(TOLERANCE_SCALES);
      } else if (largest(reference) < floor) expect(largest(data), name).toBeLessThanOrEqual(floor);
      else
        expect(relativeDifference(data, reference), name).toBeLessThanOrEqual(
          test.profile?.a === 16 ? TOLERANCE_16_BITS : TOLERANCE,
        );
    }
    for (const [name, { data }] of statistics) {
      const moved = golden.has(`${test.name}/statistic.${name}`)
        ? golden.floats(`${test.name}/statistic.${name}`)
        : undefined;
      expect(relativeDifference(data, moved ?? golden.floats(`parameter/${name}`)), name).toBeLessThanOrEqual(
        TOLERANCE,
      );
    }
  });
});
