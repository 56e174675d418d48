// The trainer's promises: equal runs give equal bits, a restored run continues to the bit, what is frozen is not touched.
import { beforeAll, describe, expect, it } from 'vitest';
import { BACKBONE } from '../../../src/qat/network/network.ts';
import { decodeModel } from '../../../src/qat/onnx/codec.ts';
import type { Range } from '../../../src/qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../../src/qat/quantize/placement.ts';
import type { Profile } from '../../../src/qat/quantize/scheme.ts';
import type { TrainState } from '../../../src/qat/train/forward.ts';
import type { OptimizerSettings } from '../../../src/qat/train/optimizer.ts';
import { compileProgram } from '../../../src/qat/train/program.ts';
import type { ProgramRequest, TrainingProgram } from '../../../src/qat/train/program.ts';
import { Trainer } from '../../../src/qat/train/trainer.ts';
import type { StepRates, TrainerState } from '../../../src/qat/train/trainer.ts';
import { calibrate } from '../checkpoints.ts';
import { sameBits } from '../differences.ts';
import { BATCH, parametersOf, randomBatch, smallNetwork, targets, w8a8 } from '../networks.ts';

const adamw: OptimizerSettings = { kind: 'adamw', weightDecay: 0.05 };
const sgd: OptimizerSettings = { kind: 'sgd', weightDecay: 0.01, momentum: 0.9 };
const rates: StepRates = { learningRate: 1e-3, averagingConstant: 0.01 };
const still: StepRates = { learningRate: 0, averagingConstant: 0 };

const network = smallNetwork();
const parameters = parametersOf(network);
const losses: ProgramRequest['losses'] = [
  { kind: 'focal-heatmap', output: 'detection.out', target: 'target.detection', weight: 1 },
  { kind: 'cross-entropy', output: 'segmentation.out', target: 'target.segmentation', ignore: 255, weight: 0.5 },
];
const vectors = ['parameters', 'first', 'second', 'statistics', 'ranges'] as const;

interface Setup {
  readonly scopes?: { readonly [scope: string]: TrainState };
  readonly profile?: Profile;
  readonly activationScales?: 'fixed' | 'follow';
  readonly optimizer?: OptimizerSettings;
  readonly decaying?: ProgramRequest['decaying'];
}

const floatTrained: TrainState = { state: 'FLOAT', trained: true, batchNorm: 'train' };
const qatTrained: TrainState = { state: 'QAT', trained: true, batchNorm: 'train' };
const qatFrozenNorm: TrainState = { state: 'QAT', trained: true, batchNorm: 'frozen' };
const all = (state: TrainState): NonNullable<Setup['scopes']> => ({
  [BACKBONE]: state,
  detection: state,
  segmentation: state,
});

/** Observed on one batch, as calibration would. */
async function rangesFor(profile: Profile): Promise<ReadonlyMap<string, Range>> {
  return new Map(
    [...(await calibrate(network, profile)).values()].flatMap((checkpoint) => [
      ...(checkpoint.quant?.activations ?? []),
    ]),
  );
}

async function prepare(setup: Setup): Promise<{
  readonly program: TrainingProgram;
  readonly start: () => Promise<Trainer>;
  readonly request: ProgramRequest;
}> {
  const scopes = new Map(Object.entries(setup.scopes ?? all(floatTrained)));
  const optimizer = setup.optimizer ?? adamw;
  const quantised = [...scopes].filter(([, { state }]) => state === 'QAT').map(([scope]) => scope);
  const ranges = setup.profile === undefined ? new Map<string, Range>() : await rangesFor(setup.profile);
  const request: ProgramRequest = {
    network,
    scopes,
    placement: placeQuantizers(network, new Map(quantised.map((scope) => [scope, setup.profile ?? w8a8]))),
    constants: parameters,
    ranges,
    activationScales: setup.activationScales ?? 'fixed',
    losses,
    targets,
    batch: BATCH,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
    ...(setup.decaying === undefined ? {} : { decaying: setup.decaying }),
  };
  const program = await compileProgram(request);
  return { program, request, start: () => Trainer.start(program, optimizer, 1, { parameters, ranges }) };
}

function isZero(values: ArrayLike<number | bigint> | undefined): boolean {
  return Array.from(values ?? []).every((value) => Number(value) === 0);
}

async function train(trainer: Trainer, from: number, to: number, stepRates: StepRates = rates): Promise<TrainerState> {
  for (let step = from; step < to; step++) await trainer.step(randomBatch(100 + step), stepRates);
  return trainer.state;
}

function expectSameState(left: TrainerState, right: TrainerState): void {
  expect(left.step).toBe(right.step);
  for (const name of vectors) expect(sameBits(left[name], right[name]), name).toBe(true);
}

const setups: readonly (readonly [string, Setup])[] = [
  ['float, AdamW', {}],
  ['float, SGD', { optimizer: sgd }],
  ['QAT, ranges follow, batch norm trains', { scopes: all(qatTrained), profile: w8a8, activationScales: 'follow' }],
  ['QAT, fixed scales, batch norm frozen', { scopes: all(qatFrozenNorm), profile: w8a8 }],
];

describe.each(setups)('a training run: %s', (_, setup) => {
  let compiled: ReturnType<typeof prepare>;
  beforeAll(async () => {
    compiled = prepare(setup);
    await compiled;
  });

  it('gives the same bits twice, and 6 steps equal 3 and 3 more of a restored trainer', async () => {
    const { start } = await compiled;
    const [one, other] = [await start(), await start()];
    const reference = await train(one, 0, 6);
    expectSameState(await train(other, 0, 6), reference);
    expect(sameBits(reference.parameters, (await start()).state.parameters)).toBe(false);

    const first = await start();
    const half = await train(first, 0, 3);
    const saved: TrainerState = { ...half, ...Object.fromEntries(vectors.map((name) => [name, half[name].slice()])) };
    // A compiled program is a function of its request: a new process compiles it again.
    const continued = await (await prepare(setup)).start();
    continued.restore(saved);
    expectSameState(await train(continued, 3, 6), reference);
    await Promise.all([one, other, first, continued].map((trainer) => trainer.release()));
  });

  it('moves every weight and batch norm', async () => {
    const { start } = await compiled;
    const trainer = await start();
    await train(trainer, 0, 1);
    // A bias before training batch norm has no gradient.
    for (const { name } of network.parameters.filter(({ role }) => ['weight', 'gamma', 'beta'].includes(role))) {
      expect(
        sameBits(trainer.parameters().get(name)?.data as Float32Array, parameters.get(name)?.data as Float32Array),
        name,
      ).toBe(false);
    }
    await trainer.release();
  });
});

describe('a compiled program', () => {
  it('is the same bytes for the same request', async () => {
    const setup: Setup = { scopes: all(qatTrained), profile: w8a8, activationScales: 'follow' };
    const [one, other] = [await prepare(setup), await prepare(setup)];
    expect(Buffer.compare(one.program.model, other.program.model)).toBe(0);
  });

  it('differentiates the trained scopes only, and holds a frozen one’s parameters as constants', async () => {
    const frozen: TrainState = { state: 'FLOAT', trained: false, batchNorm: 'frozen' };
    const { program } = await prepare({ scopes: { ...all(frozen), segmentation: floatTrained } });
    const trainable = network.parameters.filter(
      ({ scope, role }) => scope === 'segmentation' && role !== 'mean' && role !== 'variance',
    );
    expect(program.differentiated).toEqual(trainable.map(({ name }) => name));
    expect(
      program.parameters.slots.concat(program.statistics.slots).every(({ name }) => name.startsWith('segmentation.')),
    ).toBe(true);
    const { initializers } = decodeModel(program.model);
    const held = network.parameters.filter(({ scope }) => scope !== 'segmentation');
    expect([...program.frozenInitializers.keys()].sort()).toEqual(held.map(({ name }) => name).sort());
    for (const { name } of held) {
      const initializer = initializers.get(program.frozenInitializers.get(name) ?? '');
      expect(sameBits(initializer?.data as Float32Array, parameters.get(name)?.data as Float32Array), name).toBe(true);
    }
  });

  it('leaves a frozen scope’s parameters, statistics and ranges out of the state that steps move', async () => {
    const frozen: TrainState = { state: 'QAT', trained: false, batchNorm: 'frozen' };
    const { program, start, request } = await prepare({
      scopes: { ...all(qatTrained), [BACKBONE]: frozen },
      profile: w8a8,
      activationScales: 'follow',
    });
    expect(program.ranges.slots.some(({ name }) => request.placement.activations.get(name)?.scope === BACKBONE)).toBe(
      false,
    );
    const trainer = await start();
    await train(trainer, 0, 2);
    expect([...trainer.parameters().keys()].some((name) => name.startsWith('backbone.'))).toBe(false);
    expect(
      [...trainer.ranges(request.placement).keys()].every(
        (name) => request.placement.activations.get(name)?.scope !== BACKBONE,
      ),
    ).toBe(true);
    await trainer.release();
  });

  let undecayed: ReturnType<typeof prepare> | undefined;

  it.each<{ readonly decaying?: ProgramRequest['decaying'] }>([
    {},
    { decaying: ['weight', 'gamma'] },
    { decaying: ['bias', 'beta'] },
    { decaying: [] },
  ])('decays the asked roles and moves all others by their gradient alone: $decaying', async ({ decaying }) => {
    const decays = decaying ?? ['weight'];
    const asked = decaying === undefined ? {} : { decaying };
    const { program, start } = await prepare({ optimizer: { kind: 'sgd', weightDecay: 1000, momentum: 0 }, ...asked });
    const trainer = await start();
    await train(trainer, 0, 1, { learningRate: 0, averagingConstant: 0 });
    const withDecay = trainer.state.first.slice();
    undecayed ??= prepare({ optimizer: { kind: 'sgd', weightDecay: 0, momentum: 0 } });
    const other = await (await undecayed).start();
    await train(other, 0, 1, { learningRate: 0, averagingConstant: 0 });
    let offset = 0;
    for (const { name, shape } of program.parameters.slots) {
      const size = shape.reduce((product, dim) => product * dim, 1);
      const role = network.parameters.find((parameter) => parameter.name === name)?.role;
      const equal = sameBits(withDecay.slice(offset, offset + size), other.state.first.slice(offset, offset + size));
      // A bias that is 0 has nothing to lose.
      const decayed = role !== undefined && decays.includes(role) && !isZero(parameters.get(name)?.data);
      expect(equal, name).toBe(!decayed);
      offset += size;
    }
    await trainer.release();
    await other.release();
  });
});

describe('a step that must not move anything', () => {
  it.each([
    ['AdamW', adamw],
    ['SGD', sgd],
  ] as const)(
    'leaves parameters, statistics and ranges bit-equal at learning rate 0 and averaging constant 0: %s',
    async (_, optimizer) => {
      const { start } = await prepare({
        scopes: all(qatFrozenNorm),
        profile: w8a8,
        activationScales: 'follow',
        optimizer,
      });
      const trainer = await start();
      const before = trainer.state;
      const after = await train(trainer, 0, 3, still);
      for (const name of ['parameters', 'statistics', 'ranges'] as const)
        expect(sameBits(after[name], before[name]), name).toBe(true);
      await trainer.release();
    },
  );

  it('moves min and max by the averaging constant otherwise, and takes the batch whole at 1', async () => {
    const { program, start, request } = await prepare({
      scopes: all(qatFrozenNorm),
      profile: w8a8,
      activationScales: 'follow',
    });
    const run = async (averagingConstant: number): Promise<Range> => {
      const trainer = await start();
      await train(trainer, 0, 1, { learningRate: 0, averagingConstant });
      const range = trainer.ranges(request.placement).get('image') as Range;
      await trainer.release();
      return range;
    };
    const image = randomBatch(100).get('image')?.data as Float32Array;
    const [min, max] = [image.reduce((a, b) => Math.min(a, b)), image.reduce((a, b) => Math.max(a, b))];
    const old = request.ranges.get('image') as Range;
    expect(await run(1)).toMatchObject({ min, max });
    const moved = await run(0.25);
    expect(moved.min).toBeCloseTo(old.min + 0.25 * (min - old.min), 6);
    expect(moved.max).toBeCloseTo(old.max + 0.25 * (max - old.max), 6);
    expect(program.ranges.slots.map(({ name }) => name)).toEqual([...request.placement.activations.keys()]);
  });
});

describe('a trainer', () => {
  it('refuses a resume state of another size, naming the vector', async () => {
    const { start } = await prepare({});
    const trainer = await start();
    expect(() => trainer.restore({ ...trainer.state, second: new Float32Array(3) })).toThrow(
      /resume state "second" has another size/,
    );
    await trainer.release();
  });

  it('reports the weighted sum and every loss by name', async () => {
    const { start } = await prepare({});
    const trainer = await start();
    const values = await trainer.step(randomBatch(1), rates);
    expect([...values.keys()].sort()).toEqual(['loss', 'loss.detection.out', 'loss.segmentation.out']);
    const [total, heat, mask] = ['loss', 'loss.detection.out', 'loss.segmentation.out'].map(
      (name) => values.get(name) as number,
    ) as [number, number, number];
    expect(total).toBeCloseTo(heat + 0.5 * mask, 5);
    await trainer.release();
  });
});
