// Seeded cases of headgate's own operators that have a derivative: losses over scores of random shapes, and batch norms in
// training form. Values stay further from kinks than a central difference moves them.
import type { Attribute } from '../../../src/qat/onnx/ir.ts';
import { float, int } from '../../../src/qat/onnx/ir.ts';
import { elementCount, floatTensor } from '../../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../../src/support/tensor.ts';
import { Random } from '../../../src/support/random.ts';
import { randomTensor } from '../graphs.ts';

export interface OwnCase {
  readonly name: string;
  readonly rule: string;
  /** In the operator's order. */
  readonly inputs: readonly (readonly [name: string, tensor: Tensor])[];
  readonly wanted: readonly string[];
  /** Of the first, which is weighed; the others are named only. */
  readonly outputs: readonly string[];
  readonly outputShape: readonly number[];
  readonly attributes: { readonly [name: string]: Attribute };
}

type Attributes = OwnCase['attributes'];

/** More than the 1/16 that a central difference moves an element by. */
const MARGIN = 0.1;
const IGNORED = 255;

/** Classes alone, sequences, images with odd sides: [N, C, …]. */
const shapes: readonly (readonly number[])[] = [1, 2, 3].flatMap((seed) => {
  const random = new Random(seed);
  const size = (most: number): number => 2 + random.below(most - 1);
  return [
    [size(5), size(6)],
    [size(3), size(5), size(7)],
    [size(3), size(5), size(6), size(7)],
  ];
});

type Scores = (random: Random, target: FloatTensor) => FloatTensor;

const logits: Scores = (random, { shape }) => randomTensor(random, shape, 2);
/** Targets at a distance that no step crosses 0 with. */
const apart: Scores = (random, target) => shifted(random, target, () => MARGIN + Math.abs(random.normal()));
/** The same for a distance of `beta`, where the second derivative jumps. */
const awayFrom =
  (beta: number): Scores =>
  (random, target) =>
    shifted(random, target, () =>
      random.uniform() < 0.5 ? (beta - MARGIN) * random.uniform() : beta + MARGIN + Math.abs(random.normal()),
    );

function shifted(random: Random, { shape, data }: FloatTensor, distance: () => number): FloatTensor {
  return floatTensor(
    shape,
    data.map((value) => value + (random.uniform() < 0.5 ? -1 : 1) * distance()),
  );
}

interface LossKind {
  readonly rule: string;
  readonly scores: Scores;
  readonly variants: readonly ((classes: number, random: Random) => Attributes)[];
  /** Of the kinds of target: scores alike, from 0 to 1, with peaks of 1, or class numbers. */
  readonly targets: readonly ('alike' | 'fractions' | 'peaks' | 'classes' | 'labels')[];
}

const positive = (count: number, random: Random): Attribute => ({
  kind: 'floats',
  value: Array.from({ length: count }, () => 0.5 + random.uniform()),
});

const lossKinds: readonly LossKind[] = [
  {
    rule: 'CrossEntropy',
    scores: logits,
    variants: [
      () => ({ ignore: int(IGNORED) }),
      () => ({ ignore: int(1) }),
      (classes, random) => ({ ignore: int(IGNORED), class_weights: positive(classes, random) }),
      (classes, random) => ({
        ignore: int(IGNORED),
        class_weights: positive(classes, random),
        label_smoothing: float(0.1),
      }),
    ],
    targets: ['classes'],
  },
  {
    rule: 'BinaryCrossEntropy',
    scores: logits,
    variants: [() => ({}), (classes, random) => ({ positive_weights: positive(classes, random) })],
    targets: ['fractions', 'labels'],
  },
  {
    rule: 'Focal',
    scores: logits,
    variants: [
      () => ({}),
      () => ({ alpha: float(-1), gamma: float(1.5) }),
      () => ({ alpha: float(0.6), gamma: float(0) }),
    ],
    targets: ['fractions', 'labels'],
  },
  {
    rule: 'Dice',
    scores: logits,
    variants: [() => ({}), () => ({ sigmoid: int(1), smooth: float(0.1) })],
    targets: ['fractions', 'labels'],
  },
  { rule: 'MeanAbsoluteError', scores: apart, variants: [() => ({})], targets: ['alike', 'labels'] },
  {
    rule: 'SmoothL1',
    scores: awayFrom(0.4),
    variants: [() => ({ beta: float(0.4) })],
    targets: ['alike', 'labels'],
  },
  { rule: 'SmoothL1', scores: awayFrom(1), variants: [() => ({})], targets: ['alike', 'labels'] },
  { rule: 'MeanSquaredError', scores: logits, variants: [() => ({})], targets: ['alike', 'labels'] },
  { rule: 'MeanSquaredError', scores: logits, variants: [() => ({ normalised: int(1) })], targets: ['alike'] },
  { rule: 'FocalHeatmap', scores: logits, variants: [() => ({})], targets: ['peaks'] },
  {
    rule: 'SoftTargets',
    scores: logits,
    variants: [() => ({}), () => ({ temperature: float(4) })],
    targets: ['alike'],
  },
];

const lossCases: readonly OwnCase[] = lossKinds.flatMap(({ rule, scores, variants, targets }) =>
  targets.flatMap((kind) =>
    variants.flatMap((variant) =>
      shapes.map((shape, seed): OwnCase => {
        const random = new Random(seed);
        const attributes = {
          ...variant(shape[1] as number, random),
          ...(kind === 'labels' ? { labels: int(1), ignore: int(IGNORED) } : {}),
        };
        const { target, dense } = targetOf(kind, shape, random, ignoredBy(attributes));
        const given = Object.entries(attributes).map(([key, { value }]) => `${key} ${JSON.stringify(value)}`);
        return {
          name: [`[${shape.join(', ')}]`, kind, ...given].join(', '),
          rule: `headgate.${rule}`,
          inputs: [
            ['scores', scores(random, dense)],
            ['target', target],
          ],
          wanted: ['scores'],
          outputs: ['y'],
          outputShape: [],
          attributes,
        };
      }),
    ),
  ),
);

/** A label of its own, or one of the classes. */
function ignoredBy({ ignore }: Attributes): number {
  return ignore?.kind === 'int' ? ignore.value : IGNORED;
}

function targetOf(
  kind: LossKind['targets'][number],
  shape: readonly number[],
  random: Random,
  ignored: number,
): { readonly target: Tensor; readonly dense: FloatTensor } {
  const draw = (next: () => number): FloatTensor =>
    floatTensor(shape, Float32Array.from({ length: elementCount(shape) }, next));
  if (kind === 'alike') return alike(randomTensor(random, shape, 2));
  if (kind === 'fractions') return alike(draw(() => random.uniform()));
  if (kind === 'peaks') return alike(draw(() => (random.below(5) === 0 ? 1 : 0.9 * random.uniform())));
  const [n = 1, classes = 1, ...rest] = shape;
  const plane = elementCount(rest);
  // The first counts, so that there is one; of the others every fifth does not.
  const labels = Int32Array.from({ length: n * plane }, (_, at) =>
    at > 0 && random.below(5) === 0 ? ignored : at === 0 ? 0 : random.below(classes),
  );
  const dense = floatTensor(
    shape,
    Float32Array.from({ length: n * classes * plane }, (_, at) => {
      const image = Math.floor(at / (classes * plane));
      return labels[image * plane + (at % plane)] === Math.floor(at / plane) % classes ? 1 : 0;
    }),
  );
  return { target: { dtype: 'int32', shape: [n, ...rest], data: labels }, dense };

  function alike(target: FloatTensor) {
    return { target, dense: target };
  }
}

/** ε large enough that the slope by the factor, which is of its order, is no rounding. */
const EPSILON = 0.25;

const batchNormCases: readonly OwnCase[] = shapes.flatMap((shape, seed) => {
  const channels = shape[1] as number;
  const random = new Random(seed);
  const perChannel = (): FloatTensor => randomTensor(random, [channels]);
  const above = (): FloatTensor =>
    floatTensor(
      [channels],
      Float32Array.from({ length: channels }, () => 0.5 + random.uniform()),
    );
  const common = [
    ['x', randomTensor(random, shape)],
    ['gamma', perChannel()],
    ['beta', perChannel()],
  ] as const;
  const wanted = common.map(([name]) => name);
  const attributes = { epsilon: float(EPSILON) };
  const outputs = ['y', 'mean', 'variance'];
  const made = { name: `[${shape.join(', ')}]`, outputShape: shape, attributes };
  const switched = [0, 1].map((frozen): OwnCase => ({
    ...made,
    name: `${made.name}, frozen ${frozen}`,
    rule: 'headgate.BatchNormSwitch',
    inputs: [...common, ['m', perChannel()], ['v', above()], ['frozen', floatTensor([], Float32Array.of(frozen))]],
    wanted,
    outputs: [...outputs, 'usedMean', 'usedVariance'],
  }));
  const divided: OwnCase = {
    ...made,
    rule: 'headgate.BatchNormTrainDivided',
    inputs: [...common, ['factor', above()]],
    wanted: [...wanted, 'factor'],
    outputs: [...outputs, 'divided'],
  };
  const plain: OwnCase = { ...made, rule: 'headgate.BatchNormTrain', inputs: common, wanted, outputs };
  // The division is by channel of an image.
  return [plain, ...switched, ...(shape.length === 4 ? [divided] : [])];
});

export const ownCases: readonly OwnCase[] = [...lossCases, ...batchNormCases];
