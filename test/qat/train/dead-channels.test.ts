// Output channels whose weights are all zero, or too small for their scale, against PyTorch: observers, fake-quant, learned
// scales, and batch norm with a γ of 0 in every form that a scope can have it in.
import { describe, expect, it } from 'vitest';
import { differentiate, lower } from '../../../src/qat/autodiff/differentiate.ts';
import { HEADGATE_DOMAIN } from '../../../src/qat/autodiff/rule.ts';
import { foldIntoWeights } from '../../../src/qat/network/fold.ts';
import { networkOf, recogniseNetwork } from '../../../src/qat/network/network.ts';
import type { LayerUnit, ScopeNames } from '../../../src/qat/network/network.ts';
import { GraphBuilder } from '../../../src/qat/onnx/builder.ts';
import { float, int, ints, text } from '../../../src/qat/onnx/ir.ts';
import type { IrNode } from '../../../src/qat/onnx/ir.ts';
import { channelProblems } from '../../../src/qat/quantize/channel-problems.ts';
import { weightScalesOf } from '../../../src/qat/quantize/deploy.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import { EPSILON } from '../../../src/qat/quantize/scheme.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import { unpack } from '../../../src/qat/train/layout.ts';
import type { OptimizerSettings } from '../../../src/qat/train/optimizer.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import type { ProgramRequest } from '../../../src/qat/train/program.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { floatTensor } from '../../../src/support/tensor.ts';
import { calibrate, scopeNames } from '../checkpoints.ts';
import { relativeDifference, sameBits } from '../differences.ts';
import { readGolden } from '../golden-file.ts';
import { runBuilder } from '../graphs.ts';
import { BATCH, OUTPUTS, randomBatch, smallGraph, targets, w8a8 } from '../networks.ts';

/** Largest difference over largest reference, channel by channel. */
const TOLERANCE = 1e-5;
/** The γ of a dead channel learns from quantised weights here, from unquantised ones in PyTorch's slow form. */
const INT8_NOISE = 0.02;

const golden = readGolden('dead-channels.safetensors');
const int8 = { bits: 8, signed: true, rounding: 'inverse-multiply' } as const;
const gradientOnly: OptimizerSettings = { kind: 'sgd', weightDecay: 0, momentum: 0 };

const SCOPES: ScopeNames = { backbone: { boundary: ['z'] }, heads: { head: { outputs: ['out'] } } };

/** One convolution with batch norm as backbone, of the golden file's parameters, and a head that is never run. */
function oneLayer() {
  const b = new GraphBuilder('m');
  const put = (name: string, { shape, data }: Tensor): string => {
    b.initializers.set(name, { dtype: 'float32', shape, data });
    return name;
  };
  const start = (name: string): string => put(name, golden.tensor(`norm/start.${name}`));
  const conv = b.emit('Conv', ['image', start('weight')], { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) });
  const norm = [start('bn.weight'), start('bn.bias'), start('bn.running_mean'), start('bn.running_var')];
  b.emit('BatchNormalization', [conv, ...norm], { epsilon: float(1e-5) }, { outputs: ['z'] });
  const last = put('last', floatTensor([1, 5, 1, 1], new Float32Array(5).fill(1)));
  b.emit('Conv', ['z', last], { kernel_shape: ints([1, 1]) }, { outputs: ['out'] });
  const inputs = [{ name: 'image', dtype: 'float32', shape: ['N', 3, 8, 8] }] as const;
  const outputs = [{ name: 'out', dtype: 'float32' }] as const;
  return recogniseNetwork(b.finish({ name: 'one', opset: 18, inputs, outputs }), SCOPES);
}

function channel(values: Float32Array, index: number, channels: number): Float32Array {
  const each = values.length / channels;
  return values.slice(index * each, (index + 1) * each);
}

describe('a weight with dead and with tiny channels', () => {
  const weight = golden.tensor('scales/weight') as FloatTensor;
  const unit: LayerUnit = {
    kind: 'layer',
    scope: 'backbone',
    node: { op: 'Conv', domain: '', name: 'c', inputs: ['x', 'w'], outputs: ['y'], attributes: {} },
    weight: 'w',
    quantiser: 'w',
    input: 'x',
    linear: 'y',
    output: 'y',
  };
  const scales = weightScalesOf(unit, new Map([['w', weight]]), int8);

  it("has the scales of PyTorch's observer to the bit, the floor where the channel is zero", () => {
    expect(sameBits(scales, golden.floats('scales/scale'))).toBe(true);
    expect([...scales].map((scale) => scale === EPSILON)).toEqual([false, true, true, false, true]);
    expect(channelProblems({ units: [unit] }, new Map([['w', weight]]), new Map([['w', scales]]))).toEqual({
      allZero: new Map([['w', [1, 4]]]),
      smallestScale: new Map([['w', [2]]]),
    });
  });

  it.each([
    ['fixed', 'FakeQuant'],
    ['learned', 'LearnedFakeQuant'],
  ])('is quantised as PyTorch does, and has its gradient, on a %s scale', async (kind, op) => {
    const b = new GraphBuilder();
    const [x, upstream] = [weight, golden.tensor('upstream') as FloatTensor];
    const attributes: IrNode['attributes'] = {
      qmin: int(-128),
      qmax: int(127),
      rounding: text('inverse-multiply'),
    };
    const quantise = { op, domain: HEADGATE_DOMAIN, name: 'q', inputs: ['x', 's'], outputs: ['y', 'r'], attributes };
    const weigh = { op: 'Mul', domain: '', name: 'w', inputs: ['y', 'dy'], outputs: ['z'], attributes: {} };
    const feeds = new Map<string, Tensor>([
      ['x', x],
      ['s', floatTensor([5, 1, 1, 1], scales)],
      ['dy', upstream],
    ]);
    const shapes = new Map([...feeds].map(([name, { shape }]) => [name, shape]));
    for (const value of ['y', 'z', 'r']) shapes.set(value, x.shape);
    lower(b, [quantise, weigh], shapes);
    const wanted = kind === 'learned' ? ['x', 's'] : ['x'];
    const gradients = differentiate(b, [quantise, weigh], shapes, 'z', wanted);
    const found = await runBuilder(b, feeds, ['y', ...gradients.values()]);
    const [y, dx, ds] = [...found.values()].map(({ data }) => data as Float32Array);
    for (const index of [1, 2, 4]) {
      expect([...channel(y as Float32Array, index, 5)].every((value) => value === 0)).toBe(true);
      for (const [own, reference] of [
        [y, golden.floats(`${kind}/out`)],
        [dx, golden.floats(`${kind}/grad`)],
        ...(ds === undefined ? [] : [[ds, golden.floats('learned/grad.scale')] as const]),
      ] as const)
        expect(
          relativeDifference(channel(own as Float32Array, index, 5), channel(reference, index, 5)),
        ).toBeLessThanOrEqual(TOLERANCE);
    }
  });
});

describe('batch norm with a γ of 0, its factor divided out again', () => {
  const [DEAD, ZERO_WEIGHT, CHANNELS] = [1, 3, 5];

  it("gives β and finite gradients, where PyTorch's default form gives NaN", async () => {
    const network = oneLayer();
    const placed = placeQuantizers(network, new Map([['backbone', { ...w8a8, rounding: 'inverse-multiply' }]]));
    // Weights alone, as in the golden file.
    const placement = { ...placed, activations: new Map(), ranges: new Map() };
    const parameters = new Map(
      network.parameters.map(({ name, shape }) => [
        name,
        floatTensor(shape, network.graph.initializers.get(name)?.data as Float32Array),
      ]),
    );
    const [slow, fast, upstream] = ['slow.out', 'approximate.out', 'upstream'].map((name) =>
      golden.floats(`norm/${name}`),
    ) as [Float32Array, Float32Array, Float32Array];
    expect(fast.some(Number.isNaN)).toBe(true);
    // The loss is a mean of squares; its gradient is to be `upstream`.
    const expected = fast.map((value, index) => (Number.isNaN(value) ? (slow[index] as number) : value));
    const target = expected.map((value, index) => value - ((upstream[index] as number) * expected.length) / 2);
    const shape = golden.tensor('norm/upstream').shape;
    const program = await compileProgram({
      network,
      scopes: new Map([['backbone', { state: 'QAT', trained: true, batchNorm: 'train' }]]),
      placement,
      constants: parameters,
      ranges: new Map(),
      activationScales: 'fixed',
      losses: [{ kind: 'distill', output: 'z', target: 'target', weight: 1 }],
      targets: [{ name: 'target', dtype: 'float32', shape }],
      batch: 4,
      boundaryShapes: new Map(),
      optimizer: gradientOnly,
      momentum: 0.1,
    });
    const trainer = await Trainer.start(program, gradientOnly, 1, { parameters, ranges: new Map() });
    const data = new Map<string, Tensor>([
      ['image', golden.tensor('norm/x')],
      ['target', floatTensor(shape, target)],
    ]);
    const losses = await trainer.step(data, { learningRate: 0, averagingConstant: 0 });
    const gradients = unpack(program.parameters, trainer.state.first);
    await trainer.release();
    expect(losses.get('loss')).toSatisfy(Number.isFinite);
    const gradientOf = (name: string): Float32Array => gradients.get(name)?.data as Float32Array;
    for (const name of ['weight', 'bn.weight', 'bn.bias']) {
      for (let index = 0; index < CHANNELS; index++) {
        const form = index === DEAD ? 'slow' : 'approximate';
        const reference = channel(golden.floats(`norm/${form}.grad.${name}`), index, CHANNELS);
        const difference = relativeDifference(channel(gradientOf(name), index, CHANNELS), reference);
        const tolerance = index === DEAD && name === 'bn.weight' ? INT8_NOISE : TOLERANCE;
        expect(difference, `${name}, channel ${index}`).toBeLessThanOrEqual(tolerance);
      }
    }
    expect(channel(gradientOf('weight'), DEAD, CHANNELS).every((value) => value === 0)).toBe(true);
    expect(channel(gradientOf('weight'), ZERO_WEIGHT, CHANNELS).every(Number.isFinite)).toBe(true);
  });
});

/** The small network with channel 0 of three kinds of layer dead, and an activation that is all zero. */
function deadNetwork() {
  const graph = smallGraph();
  const fill = (name: string, value: number, count?: number): void =>
    void (graph.initializers.get(name)?.data as Float32Array).fill(value, 0, count);
  fill('backbone.block1.depthwise.bn.gamma', 0, 1);
  fill('backbone.lateral.weight', 0, 24);
  fill('detection.out.weight', 0, 8);
  fill('detection.hidden.weight', 0);
  fill('detection.hidden.bias', -1);
  return networkOf(graph);
}

describe('a network with dead channels and a ReLU that gives nothing but zeros', () => {
  const powerOfTwo: Profile = { ...w8a8, powerOfTwoScales: true };
  const scales: readonly (readonly [string, Profile, Pick<ProgramRequest, 'activationScales' | 'weightScales'>])[] = [
    ['fixed', w8a8, { activationScales: 'fixed' }],
    ['that follow', w8a8, { activationScales: 'follow' }],
    ['that are powers of two', powerOfTwo, { activationScales: 'follow' }],
    ['that are learned', w8a8, { activationScales: 'learned', weightScales: 'learned' }],
  ];
  const forms = ['train', 'kept', 'folded', 'frozen'] as const satisfies readonly TrainState['batchNorm'][];
  // Every form with fixed scales, every source of scales with the first form.
  const cases = scales.flatMap(([name, profile, source]) =>
    (name === 'fixed' ? forms : forms.slice(0, 1)).map((form) => ({ name, form, profile, source })),
  );

  it.each(cases)(
    'trains with scales $name and batch norm $form, and all stays finite',
    async ({ form, profile, source }) => {
      const network = deadNetwork();
      const calibrated = [...(await calibrate(network, profile)).values()];
      const start = new Map(calibrated.flatMap((checkpoint) => [...checkpoint.parameters]));
      const parameters = form === 'folded' ? foldIntoWeights(network, start) : start;
      const ranges = new Map(calibrated.flatMap(({ quant }) => [...(quant?.activations ?? [])]));
      expect(ranges.get('detection.hidden.relu')).toEqual({ min: 0, max: 0, scale: EPSILON });
      const weightScales = new Map(calibrated.flatMap(({ quant }) => [...(quant?.weights ?? [])]));
      const placement = placeQuantizers(network, new Map(scopeNames(network).map((scope) => [scope, profile])));
      const optimizer: OptimizerSettings = { kind: 'adamw', weightDecay: 0.01 };
      const program = await compileProgram({
        network,
        scopes: new Map(scopeNames(network).map((scope) => [scope, { state: 'QAT', trained: true, batchNorm: form }])),
        placement,
        constants: parameters,
        ranges,
        ...source,
        losses: [
          { kind: 'focal-heatmap', output: OUTPUTS[0], target: 'target.detection', weight: 1 },
          { kind: 'cross-entropy', output: OUTPUTS[1], target: 'target.segmentation', ignore: 255, weight: 1 },
        ],
        targets,
        batch: BATCH,
        boundaryShapes: new Map(),
        optimizer,
        momentum: 0.1,
      });
      const trainer = await Trainer.start(program, optimizer, 1, { parameters, ranges, weightScales });
      for (let step = 0; step < 3; step++)
        for (const [name, value] of await trainer.step(randomBatch(step), {
          learningRate: 0.01,
          averagingConstant: 0.1,
        }))
          expect(value, name).toSatisfy(Number.isFinite);
      for (const [name, { data }] of trainer.parameters()) expect(data.every(Number.isFinite), name).toBe(true);
      for (const [name, learned] of trainer.weightScales(placement))
        expect(learned.every((scale) => scale >= EPSILON) && learned.every(Number.isFinite), name).toBe(true);
      for (const [name, range] of trainer.ranges(placement)) {
        expect(Object.values(range).every(Number.isFinite), name).toBe(true);
        expect(range.scale, name).toBeGreaterThanOrEqual(EPSILON);
      }
      await trainer.release();
    },
  );
});
