// What each setting of a training does to what is saved. A few steps of plain SGD, whose outcome each setting changes by simple
// arithmetic: a setting that no longer reached the training would show here. The formulas of the steps are held to PyTorch's
// elsewhere (test/qat/train).
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/support/json.ts';
import { networkOf } from '../../src/qat/network/network.ts';
import type { Network } from '../../src/qat/network/network.ts';
import { decodeModel } from '../../src/qat/onnx/codec.ts';
import { weightScalesOf } from '../../src/qat/quantize/deploy.ts';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import { checkpointAt } from './artifacts.ts';
import { BATCH, qat } from './orders.ts';
import { World } from './world.ts';

let world: World;
let network: Network;
let start: ScopeCheckpoint;
beforeAll(async () => {
  world = await World.start();
  network = networkOf(decodeModel(await readFile(await world.model())));
  start = await checkpointAt(await world.calibratedHead('segmentation'));
});
afterAll(() => world.remove());

/** Of moves and averages in float32, against the same in float64. */
const TOLERANCE = 1e-6;
/** A move is the difference of two larger numbers, each rounded to float32. */
const MOVE_TOLERANCE = 2e-3;
const RATE = 0.05;
const STEPS_PER_EPOCH = 64 / BATCH;

type Vectors = ReadonlyMap<string, Float32Array>;

const done = new Map<string, Promise<ScopeCheckpoint>>();

/** The head after so many steps, with these settings of the training and of the stage; each trained once. */
function trained(steps: number, training: JsonObject = {}, more: JsonObject = {}): Promise<ScopeCheckpoint> {
  const key = JSON.stringify([steps, training, more]);
  const run = done.get(key) ?? train(steps, training, more);
  done.set(key, run);
  return run;
}

async function train(steps: number, training: JsonObject, more: JsonObject): Promise<ScopeCheckpoint> {
  const inputs = {
    ...(await world.base()),
    backbone: await world.calibratedBackbone(),
    head: await world.calibratedHead('segmentation'),
  };
  const plain = {
    epochs: steps / STEPS_PER_EPOCH,
    batch: BATCH,
    learningRate: RATE,
    schedule: { kind: 'constant' },
    optimizer: { kind: 'sgd', weightDecay: 0, momentum: 0 },
  };
  const { head } = await world.rig.outputs(
    qat('head', 'segmentation', inputs, { bn: 'frozen', training: { ...plain, ...training }, ...more }),
  );
  return checkpointAt(head as string);
}

function vectors({ parameters }: ScopeCheckpoint): Vectors {
  return new Map([...parameters].map(([name, { data }]) => [name, data]));
}

/** How far every parameter moved. */
function moves(after: ScopeCheckpoint, from: ScopeCheckpoint = start): Vectors {
  const before = vectors(from);
  return new Map(
    [...vectors(after)].map(([name, data]) => [
      name,
      data.map((value, at) => value - (before.get(name)?.[at] as number)),
    ]),
  );
}

function norm(of: Vectors): number {
  return Math.hypot(...[...of.values()].map((values) => Math.hypot(...values)));
}

const statistic = (name: string): boolean => /\.(mean|variance)$/.test(name);

function largestGap(left: Float32Array, right: Float32Array): number {
  return left.reduce((gap, value, at) => Math.max(gap, Math.abs(value - (right[at] as number))), 0);
}

describe('the size of a step', () => {
  it('is held by clipNorm to the learning rate times the norm', async () => {
    const clipNorm = 0.01;
    expect(norm(moves(await trained(1)))).toBeGreaterThan(2 * RATE * clipNorm);
    const clipped = norm(moves(await trained(1, { clipNorm, learningRate: 10 * RATE })));
    expect(clipped / (10 * RATE * clipNorm)).toBeCloseTo(1, 2);
  });

  it.each<readonly [string, JsonObject, number]>([
    ['a quarter in the first step of a warm-up of four', { schedule: { kind: 'constant', warmupEpochs: 1 } }, 1 / 4],
    ['the factor of a step schedule', { schedule: { kind: 'step', epochs: [0], factor: 0.3 } }, 0.3],
    ['1 + momentum with Nesterov’s look ahead', { optimizer: { ...sgd(0.9), nesterov: true } }, 1.9],
    ['1 with momentum that looks back at nothing yet', { optimizer: sgd(0.9) }, 1],
  ])('is multiplied by %s', async (_, training, factor) => {
    const ratio = norm(moves(await trained(1, training))) / norm(moves(await trained(1)));
    expect(Math.abs(ratio / factor - 1)).toBeLessThanOrEqual(MOVE_TOLERANCE);
  });
});

function sgd(momentum: number, more: JsonObject = {}): JsonObject {
  return { kind: 'sgd', weightDecay: 0, momentum, ...more };
}

describe('weight decay', () => {
  it.each([{ decays: ['weight'] }, { decays: ['gamma', 'beta'] }])(
    'takes its share of the asked roles alone: $decays',
    async ({ decays }) => {
      const weightDecay = 0.2;
      const [plain, decayed] = [await trained(1), await trained(1, { optimizer: sgd(0, { weightDecay, decays }) })];
      const moved = moves(decayed, plain);
      const roles = new Map(network.parameters.map(({ name, role }) => [name, role]));
      for (const [name, move] of moved) {
        const share = decays.includes(roles.get(name) ?? '') ? RATE * weightDecay : 0;
        const expected = vectors(start)
          .get(name)
          ?.map((value) => -share * value) as Float32Array;
        expect(largestGap(move, expected), name).toBeLessThanOrEqual(share === 0 ? 0 : TOLERANCE);
      }
    },
  );
});

describe('an average of the weights', () => {
  it('is what is saved, statistics too, with scales of its own weights', async () => {
    const decay = 0.75;
    const [one, two] = [await trained(1, {}, { bn: 'train' }), await trained(2, {}, { bn: 'train' })];
    const averaged = await trained(2, { ema: { decay } }, { bn: 'train' });
    for (const [name, found] of vectors(averaged)) {
      const [first, second] = [one, two].map((run) => vectors(run).get(name) as Float32Array);
      const expected = first?.map((value, at) => decay * value + (1 - decay) * (second?.[at] as number));
      expect(largestGap(found, expected as Float32Array), name).toBeLessThanOrEqual(TOLERANCE);
    }
    expect(norm(moves(averaged, two))).toBeGreaterThan(100 * TOLERANCE);
    for (const unit of network.units) {
      if (unit.kind !== 'layer' || unit.scope !== 'segmentation') continue;
      const own = weightScalesOf(unit, averaged.parameters, { bits: 8, signed: true });
      expect(averaged.quant?.weights.get(unit.weight), unit.weight).toEqual(own);
    }
  });
});

describe('a freeze point', () => {
  it('of batch norm lets its statistics stand still from there on, and the weights go on', async () => {
    const free = { bn: 'train' };
    const [one, two] = [await trained(1, {}, free), await trained(2, {}, free)];
    const frozen = await trained(2, { freezeBatchNormAfter: { steps: 1 } }, free);
    const never = await trained(2, { freezeBatchNormAfter: { steps: 0 } }, free);
    for (const name of [...start.parameters.keys()].filter(statistic)) {
      const [after, at, on] = [frozen, one, two].map((run) => vectors(run).get(name) as Float32Array);
      expect(largestGap(after as Float32Array, at as Float32Array), name).toBeLessThanOrEqual(TOLERANCE);
      expect(largestGap(on as Float32Array, at as Float32Array), name).toBeGreaterThan(10 * TOLERANCE);
      expect(vectors(never).get(name), name).toEqual(vectors(start).get(name));
    }
    expect(norm(moves(frozen, one))).toBeGreaterThan(100 * TOLERANCE);
  });

  it('of observers lets following scales stand still from there on', async () => {
    const follow = { averagingConstant: 0.5 };
    const frozen = await trained(2, {}, { ...follow, freezeObserversAfter: { steps: 1 } });
    expect(frozen.quant?.activations).toEqual((await trained(1, {}, follow)).quant?.activations);
    expect(frozen.quant?.activations).not.toEqual((await trained(2, {}, follow)).quant?.activations);
    const never = await trained(2, {}, { ...follow, freezeObserversAfter: { epochs: 0 } });
    for (const [value, { min, max }] of start.quant?.activations ?? [])
      expect(never.quant?.activations.get(value)).toMatchObject({ min, max });
  });
});

describe('learned scales', () => {
  it('move at their own rate, in proportion', async () => {
    const scalesAfter = async (scaleRate: number): Promise<ScopeCheckpoint> =>
      trained(1, {}, { activationScales: 'learned', weightScales: 'learned', scaleRate });
    const [slow, fast] = [await scalesAfter(0.01), await scalesAfter(0.1)];
    const scales = ({ quant }: ScopeCheckpoint): Float32Array =>
      Float32Array.from([
        ...[...(quant?.activations.values() ?? [])].map(({ scale }) => scale),
        ...[...(quant?.weights.values() ?? [])].flatMap((values) => [...values]),
      ]);
    const moved = (after: ScopeCheckpoint): number =>
      Math.hypot(...scales(after).map((scale, at) => scale - (scales(start)[at] as number)));
    expect(Math.abs(moved(fast) / moved(slow) / 10 - 1)).toBeLessThanOrEqual(MOVE_TOLERANCE);
    expect(vectors(fast)).toEqual(vectors(slow));
  });
});

describe('the straight-through gradient', () => {
  it('leaves the largest weight of a channel still where masked, and moves it where inclusive', async () => {
    const still = async (straightThrough: string): Promise<number> => {
      const moved = moves(await trained(1, {}, { straightThrough }));
      const weights = network.units.flatMap((unit) =>
        unit.kind === 'layer' && unit.scope === 'segmentation' ? [unit.weight] : [],
      );
      return weights.flatMap((name) => [...(moved.get(name) ?? [])]).filter((move) => move === 0).length;
    };
    expect(await still('masked')).toBeGreaterThan(await still('inclusive'));
  });
});
