// Settings of losses, through the jobs: the loss that a training of learning rate 0 reports is the one that its formula gives for
// the raw outputs that a validation keeps; settings that do not fit the head or its data are refused before the first step.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writePackedDataset } from '../../src/data/packed-dataset.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { decodeSafetensors } from '../../src/support/safetensors.ts';
import { jsonAt } from './artifacts.ts';
import { taskSettings, train, validate } from './orders.ts';
import { SIZE, tinyDataset } from './tiny-data.ts';
import { importTwoKinds, twoKinds, withTwoKinds } from './two-kinds.ts';
import { World } from './world.ts';

const COUNT = 64;
const STRIDE = 2;
const CLASSES = 4;
/** Sums of 16,384 pixels in float32 against the same in float64. */
const TOLERANCE = 1e-5;

let world: World;
/** Per pixel the scores of all classes, and the true one. */
let pixels: readonly { readonly scores: readonly number[]; readonly target: number }[];
beforeAll(async () => {
  world = await World.start();
  const inputs = {
    model: await world.model(),
    backbone: await world.backbone(),
    head: await world.head('segmentation'),
    'data[gate]': world.trainData,
  };
  const { outputs } = await world.rig.outputs(
    validate('segmentation', [], inputs, { batch: COUNT, keepOutputs: COUNT }),
  );
  pixels = pixelsOf(await readFile(outputs as string));
});
afterAll(() => world.remove());

function pixelsOf(file: Uint8Array): typeof pixels {
  const kept = decodeSafetensors(file);
  if (!kept.ok) throw new Error(kept.error);
  const data = [...kept.value.tensors.values()][0]?.data as Float32Array;
  const mask = tinyDataset('train', COUNT, 1).targets.get('mask');
  if (mask?.kind !== 'mask') throw new Error('no mask');
  const side = SIZE / STRIDE;
  return Array.from({ length: COUNT * side * side }, (_, index) => {
    const [image, row, column] = [Math.floor(index / side ** 2), Math.floor(index / side) % side, index % side];
    const at = (channel: number): number => ((image * CLASSES + channel) * side + row) * side + column;
    return {
      scores: Array.from({ length: CLASSES }, (_unused, channel) => data[at(channel)] as number),
      target: mask.values[(image * SIZE + row * STRIDE) * SIZE + column * STRIDE] as number,
    };
  });
}

/** Reported by one step that moves nothing, with the statistics that a validation uses. */
async function reported(loss: JsonObject): Promise<number> {
  const inputs = {
    ...(await world.base()),
    backbone: await world.backbone(),
    head: await world.head('segmentation'),
  };
  const training = {
    epochs: 1,
    batch: COUNT,
    learningRate: 0,
    schedule: { kind: 'constant' },
    optimizer: { kind: 'sgd', weightDecay: 0, momentum: 0 },
    freezeBatchNormAfter: { steps: 0 },
  };
  const order = train(['head'], 'segmentation', inputs, { task: { ...taskSettings.segmentation, loss }, training });
  const { report } = await world.rig.outputs(order);
  const { epochs } = await jsonAt<{ readonly epochs: readonly { readonly loss: number }[] }>(report as string);
  return epochs[0]?.loss ?? NaN;
}

type Pixel = (typeof pixels)[number];

/** −log softmax of every class. */
function costs({ scores }: Pixel): readonly number[] {
  const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
  return scores.map((score) => Math.log(sum) - score);
}

/** torch.nn.CrossEntropyLoss: a mean over pixels, each weighing what its class does. */
function crossEntropy(weights: readonly number[], smoothing: number): number {
  let [sum, count] = [0, 0];
  for (const pixel of pixels) {
    const own = weights[pixel.target] as number;
    for (const [label, cost] of costs(pixel).entries()) {
      const share = (label === pixel.target ? 1 - smoothing : 0) + smoothing / CLASSES;
      sum += share * (weights[label] as number) * cost;
    }
    count += own;
  }
  return sum / count;
}

/** The mean over pixels and classes, of one-hot targets. */
function eachScore(cost: (score: number, target: 0 | 1, label: number) => number): number {
  const sums = pixels.map(({ scores, target }) =>
    scores.reduce((sum, score, label) => sum + cost(score, label === target ? 1 : 0, label), 0),
  );
  return sums.reduce((sum, value) => sum + value, 0) / (pixels.length * CLASSES);
}

const softplus = (x: number): number => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0);
const positive = [1, 2, 0.5, 3];

describe('a loss', () => {
  it.each<readonly [string, JsonObject, () => number]>([
    ['cross-entropy', { kind: 'cross-entropy' }, () => crossEntropy([1, 1, 1, 1], 0)],
    [
      'cross-entropy with class weights',
      { kind: 'cross-entropy', classWeights: [0.2, 1, 2, 4] },
      () => crossEntropy([0.2, 1, 2, 4], 0),
    ],
    [
      'cross-entropy with smoothed labels',
      { kind: 'cross-entropy', labelSmoothing: 0.2 },
      () => crossEntropy([1, 1, 1, 1], 0.2),
    ],
    [
      'binary cross-entropy with weights of positives',
      { kind: 'bce', positiveWeights: positive },
      () => eachScore((x, t, label) => (t === 1 ? (positive[label] as number) * softplus(-x) : softplus(x))),
    ],
    [
      'focal loss with alpha and gamma',
      { kind: 'focal', alpha: 0.6, gamma: 1 },
      () => eachScore((x, t) => (t === 1 ? 0.6 * softplus(-x) : 0.4 * softplus(x)) / (1 + Math.exp(t === 1 ? x : -x))),
    ],
    [
      'smooth L1 with beta',
      { kind: 'smooth-l1', beta: 0.5 },
      () =>
        eachScore((x, t) => {
          const gap = Math.abs(x - t);
          return gap < 0.5 ? gap ** 2 : gap - 0.25;
        }),
    ],
  ])('is what its formula says of the outputs: %s', async (_, loss, formula) => {
    const expected = formula();
    expect(Math.abs((await reported(loss)) / expected - 1)).toBeLessThanOrEqual(TOLERANCE);
  });

  it.each([
    [{ kind: 'cross-entropy', classWeights: [1, 2] }, /has 2 `classWeights`, its head gives 4 classes/],
    [{ kind: 'bce', positiveWeights: [1, 2, 3] }, /has 3 `positiveWeights`, its head gives 4 classes/],
  ])('is refused with weights that are not one for each class: %j', async (loss, message) => {
    const inputs = { ...(await world.base()), backbone: await world.backbone() };
    const order = train(['head'], 'segmentation', inputs, { task: { ...taskSettings.segmentation, loss } });
    const { result, events } = await world.rig.run(order);
    expect(result).toMatchObject({
      failure: { reason: 'settings', message: expect.stringMatching(message) as string },
    });
    expect(events).toEqual([]);
  });

  it('is refused where it would leave out a class of whole images, by the class', async () => {
    const folder = join(world.rig.root, 'two-kinds');
    await writePackedDataset(folder, withTwoKinds(tinyDataset('train', 16, 1)));
    const { model } = await importTwoKinds(world.rig);
    const task = { ...twoKinds.kind, loss: { kind: 'cross-entropy', ignore: 2 } };
    const settings = { train: ['backbone', 'head'], task, training: { ...brief } };
    const { result } = await world.rig.run({
      kind: 'train',
      settings,
      inputs: { model: model as string, 'data[train]': folder },
    });
    expect(result).toMatchObject({
      failure: {
        reason: 'data',
        message:
          'the loss of task "kind" leaves out images of value 2, which is class "light" of target "kind" of data set "tiny/train"',
        remedy: expect.stringContaining('`ignore` to -1') as string,
      },
    });
  });
});

const brief: JsonObject = {
  epochs: 1,
  batch: 16,
  learningRate: 0.01,
  schedule: { kind: 'constant' },
  optimizer: { kind: 'sgd', weightDecay: 0, momentum: 0 },
};
