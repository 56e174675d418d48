// The small two-head network of the numeric tests, the parameters that a test gives it, and training programs for it.
import { networkOf, scopeMetadata } from '../../src/qat/network/network.ts';
import type { Network } from '../../src/qat/network/network.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { float, int, ints, text } from '../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../src/qat/onnx/ir.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import type { TargetSpec } from '../../src/qat/train/program.ts';
import { elementCount, floatTensor } from '../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../src/support/tensor.ts';
import { Random } from '../../src/support/random.ts';
import { randomTensor } from './graphs.ts';

export const BATCH = 3;
export const SIZE = 16;
/** Channels of the stem. */
const WIDTH = 4;
export const CLASSES = { detection: 3, segmentation: 4 } as const;
export const BOUNDARY = ['backbone.block1.pointwise.relu', 'backbone.out4.pointwise.relu'] as const;
export const OUTPUTS = ['detection.out', 'segmentation.out'] as const;

export const w8a8: Profile = { weights: { bits: 8 }, activations: { bits: 8, unsignedAfterRelu: false } };
export const w8a16: Profile = { weights: { bits: 8 }, activations: { bits: 16, unsignedAfterRelu: false } };
export const w4a4: Profile = {
  weights: { bits: 4 },
  activations: { bits: 4, unsignedAfterRelu: true },
  firstLast: { bits: 8 },
};

/** w8a8 with exceptions: weights, activations, both, upwards and downwards, the image among them. */
export const mixed: Profile = {
  ...w8a8,
  layers: {
    image: { activations: { bits: 16 } },
    'backbone.stem.weight': { weights: { bits: 16 } },
    'backbone.block1.depthwise.weight': { activations: { bits: 16 } },
    'backbone.block3.pointwise.weight': { weights: { bits: 4 }, activations: { bits: 4 } },
    'backbone.merged.relu': { activations: { bits: 16 } },
    'segmentation.reduce.weight': { weights: { bits: 16 }, activations: { bits: 16 } },
    'segmentation.joined': { activations: { bits: 16 } },
    'detection.out.weight': { weights: { bits: 4 } },
  },
};

/**
 * A backbone with two boundary levels and two heads, with every kind of layer: with batch norm, with a bias too, with a bias
 * alone; depthwise, pointwise, strided; Add, Resize, Concat. Its parameters are seeded, batch norms are not the identity.
 */
export function smallGraph(): GraphIr {
  const m = new NetworkWriter();
  const stem = m.block('backbone.stem', 'image', 3, WIDTH, { kernel: 3, stride: 2 });
  const s2 = m.separable('backbone.block1', stem, WIDTH, 2 * WIDTH, 1);
  const block3 = m.separable(
    'backbone.block3',
    m.separable('backbone.block2', s2, 2 * WIDTH, 3 * WIDTH, 2),
    3 * WIDTH,
    4 * WIDTH,
    1,
  );
  const block5 = m.separable(
    'backbone.block5',
    m.separable('backbone.block4', block3, 4 * WIDTH, 6 * WIDTH, 2),
    6 * WIDTH,
    6 * WIDTH,
    1,
  );
  const lateral = m.block('backbone.lateral', block5, 6 * WIDTH, 4 * WIDTH, { bias: true });
  const sum = m.b.emit('Add', [block3, m.upsample(lateral)], {}, { outputs: ['backbone.sum'] });
  const s4 = m.separable('backbone.out4', m.relu('backbone.merged', sum), 4 * WIDTH, 4 * WIDTH, 1);
  const features = m.separable('detection.features', s4, 4 * WIDTH, 4 * WIDTH, 1);
  const hidden = m.block('detection.hidden', features, 4 * WIDTH, 2 * WIDTH, { kernel: 3, bias: true, norm: false });
  const joined = m.b.emit('Concat', [s2, m.upsample(s4)], { axis: int(1) }, { outputs: ['segmentation.joined'] });
  const reduced = m.block('segmentation.reduce', joined, 6 * WIDTH, 3 * WIDTH);
  const outputs = [
    m.conv('detection.out', hidden, [CLASSES.detection, 2 * WIDTH, 1, 1], { bias: true }, 'detection.out'),
    m.conv(
      'segmentation.out',
      m.separable('segmentation.features', reduced, 3 * WIDTH, 3 * WIDTH, 1),
      [CLASSES.segmentation, 3 * WIDTH, 1, 1],
      { bias: true },
      'segmentation.out',
    ),
  ];
  return m.b.finish({
    name: 'small',
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, SIZE, SIZE] }],
    outputs: outputs.map((name) => ({ name, dtype: 'float32' })),
    metadata: scopeMetadata({
      backbone: { boundary: [s2, s4] },
      heads: { detection: { outputs: ['detection.out'] }, segmentation: { outputs: ['segmentation.out'] } },
    }),
  });
}

interface LayerOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly group?: number;
  readonly bias?: boolean;
  readonly norm?: boolean;
}

class NetworkWriter {
  readonly b = new GraphBuilder('m');
  private readonly random = new Random(6);

  conv(name: string, input: string, shape: readonly number[], options: LayerOptions, output: string): string {
    const kernel = shape[2] as number;
    const weight = this.tensor(
      `${name}.weight`,
      shape,
      () => this.random.normal() * Math.sqrt(2 / ((shape[1] as number) * kernel * kernel)),
    );
    const bias =
      options.bias === true
        ? [this.tensor(`${name}.bias`, [shape[0] as number], () => 0.3 * this.random.normal())]
        : [];
    const [stride, pad] = [options.stride ?? 1, (kernel - 1) / 2];
    const attributes = {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
      group: int(options.group ?? 1),
    };
    return this.b.emit('Conv', [input, weight, ...bias], attributes, { outputs: [output] });
  }

  block(name: string, input: string, from: number, to: number, options: LayerOptions = {}): string {
    const kernel = options.kernel ?? 1;
    const conv = this.conv(name, input, [to, from / (options.group ?? 1), kernel, kernel], options, `${name}.conv`);
    if (options.norm === false) return this.relu(name, conv);
    const statistics = [
      this.tensor(`${name}.bn.gamma`, [to], () => 1 + 0.3 * this.random.normal()),
      this.tensor(`${name}.bn.beta`, [to], () => 0.3 * this.random.normal()),
      this.tensor(`${name}.bn.mean`, [to], () => 0.3 * this.random.normal()),
      this.tensor(`${name}.bn.variance`, [to], () => 0.5 + this.random.uniform()),
    ];
    return this.relu(
      name,
      this.b.emit('BatchNormalization', [conv, ...statistics], { epsilon: float(1e-5) }, { outputs: [`${name}.bn`] }),
    );
  }

  separable(name: string, input: string, from: number, to: number, stride: number): string {
    return this.block(
      `${name}.pointwise`,
      this.block(`${name}.depthwise`, input, from, from, { kernel: 3, stride, group: from }),
      from,
      to,
    );
  }

  relu(name: string, input: string): string {
    return this.b.emit('Relu', [input], {}, { outputs: [`${name}.relu`] });
  }

  upsample(input: string): string {
    const attributes = {
      mode: text('nearest'),
      nearest_mode: text('floor'),
      coordinate_transformation_mode: text('asymmetric'),
    };
    return this.b.emit('Resize', [input, '', this.b.floats([1, 1, 2, 2])], attributes);
  }

  private tensor(name: string, shape: readonly number[], draw: () => number): string {
    this.b.initializers.set(name, {
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, draw),
    });
    return name;
  }
}

export function smallNetwork(): Network {
  return networkOf(smallGraph());
}

export function parametersOf(network: Network): ReadonlyMap<string, FloatTensor> {
  return new Map(
    network.parameters.map(({ name, shape }) => [
      name,
      floatTensor(shape, network.graph.initializers.get(name)?.data as Float32Array),
    ]),
  );
}

export const targets: readonly TargetSpec[] = [
  { name: 'target.detection', dtype: 'float32', shape: [BATCH, CLASSES.detection, SIZE / 4, SIZE / 4] },
  { name: 'target.segmentation', dtype: 'int32', shape: [BATCH, SIZE / 2, SIZE / 2] },
];

/** A batch of noise with targets for both heads. */
export function randomBatch(seed: number): ReadonlyMap<string, Tensor> {
  const random = new Random(seed);
  const [heat, mask] = targets as readonly [TargetSpec, TargetSpec];
  const size = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);
  return new Map<string, Tensor>([
    ['image', randomTensor(random, [BATCH, 3, SIZE, SIZE])],
    [
      heat.name,
      floatTensor(
        heat.shape,
        Float32Array.from({ length: size(heat.shape) }, (_, at) => (at % 31 === 0 ? 1 : 0.9 * random.uniform())),
      ),
    ],
    [
      mask.name,
      {
        dtype: 'int32',
        shape: mask.shape,
        data: Int32Array.from({ length: size(mask.shape) }, (_, at) =>
          at % 13 === 0 ? 255 : random.below(CLASSES.segmentation),
        ),
      },
    ],
  ]);
}
