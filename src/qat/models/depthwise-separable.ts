// The built-in model: a small depthwise-separable backbone (stem, five separable blocks down to stride 8, a top-down neck)
// with two boundary levels, and one head per task. Every convolution but a head's last is followed by batch norm and Relu.
//
//   input ─ stem s2 ─ block1 ───────────────────────────────► boundary "s2" [N, 2w, H/2, W/2]
//                        └ block2 s4 ─ block3 ─────(+)─ out4 ► boundary "s4" [N, 4w, H/4, W/4]
//                                         └ block4 s8 ─ block5 ─ lateral ─ ×2 ─┘
//   heatmap head (stride 4): separable, 1×1 to classes
//   dense head (stride 2): 1×1 on s4, ×2, concat with s2, separable, 1×1 to classes
import { Random } from '../../support/random.ts';
import { elementCount } from '../../support/tensor.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import { float, int, ints, text } from '../onnx/ir.ts';
import type { GraphIr } from '../onnx/ir.ts';
import { scopeMetadata } from '../network/network.ts';
import type { ScopeNames } from '../network/network.ts';

export interface HeadSettings {
  readonly kind: 'heatmap' | 'dense';
  readonly classes: number;
  /** 4 for heatmap heads, 2 for dense ones. */
  readonly stride: number;
}

export interface DepthwiseSettings {
  /** [C, H, W]; H and W divisible by 8. */
  readonly input: readonly [number, number, number];
  /** Channels of the stem; the rest follows. */
  readonly width: number;
  readonly heads: { readonly [name: string]: HeadSettings };
  readonly seed: number;
}

export const MODEL_OPSET = 18;

/** @returns the float model with seeded weights (Kaiming normal, fan-in) and its scopes in the metadata. */
export function buildDepthwiseSeparable(settings: DepthwiseSettings): GraphIr {
  const [channels, height, width] = settings.input;
  const w = settings.width;
  const m = new ModelWriter(new Random(settings.seed));
  const stem = m.block('backbone.stem', 'image', channels, w, { stride: 2 });
  const s2 = m.separable('backbone.block1', stem, w, 2 * w, 1);
  const block2 = m.separable('backbone.block2', s2, 2 * w, 3 * w, 2);
  const block3 = m.separable('backbone.block3', block2, 3 * w, 4 * w, 1);
  const block4 = m.separable('backbone.block4', block3, 4 * w, 6 * w, 2);
  const block5 = m.separable('backbone.block5', block4, 6 * w, 6 * w, 1);
  const lateral = m.block('backbone.lateral', block5, 6 * w, 4 * w, { kernel: 1 });
  const merged = m.relu(
    'backbone.merged',
    m.b.emit('Add', [block3, m.upsample(lateral)], {}, { outputs: ['backbone.sum'] }),
  );
  const s4 = m.separable('backbone.out4', merged, 4 * w, 4 * w, 1);
  const heads: { [name: string]: { outputs: string[] } } = {};
  for (const [name, head] of Object.entries(settings.heads)) {
    heads[name] = {
      outputs: [
        head.kind === 'heatmap'
          ? m.heatmapHead(name, s4, 4 * w, head.classes)
          : m.denseHead(name, s2, s4, w, head.classes),
      ],
    };
  }
  const scopes: ScopeNames = { backbone: { boundary: [s2, s4] }, heads };
  return m.b.finish({
    name: 'depthwise-separable',
    opset: MODEL_OPSET,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', channels, height, width] }],
    outputs: Object.entries(settings.heads).map(([name, { classes, stride }]) => ({
      name: heads[name]?.outputs[0] ?? '',
      dtype: 'float32' as const,
      shape: ['N', classes, height / stride, width / stride],
    })),
    metadata: scopeMetadata(scopes),
  });
}

/** Probability that a fresh heat map gives everywhere, as CenterNet and RetinaNet start. */
const PRIOR = 0.1;

class ModelWriter {
  readonly b = new GraphBuilder('m');
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** Convolution, batch norm, Relu. */
  block(
    name: string,
    input: string,
    from: number,
    to: number,
    options: { readonly kernel?: number; readonly stride?: number; readonly group?: number },
  ): string {
    const kernel = options.kernel ?? 3;
    const group = options.group ?? 1;
    const conv = this.conv(name, input, [to, from / group, kernel, kernel], options.stride ?? 1, group);
    const constant = (part: string, value: number): string => this.tensor(`${name}.bn.${part}`, [to], () => value);
    const norm = this.b.emit(
      'BatchNormalization',
      [conv, constant('gamma', 1), constant('beta', 0), constant('mean', 0), constant('variance', 1)],
      { epsilon: float(1e-5) },
      { outputs: [`${name}.bn`] },
    );
    return this.relu(name, norm);
  }

  /** Depthwise 3×3, then pointwise. */
  separable(name: string, input: string, from: number, to: number, stride: number): string {
    return this.block(
      `${name}.pointwise`,
      this.block(`${name}.depthwise`, input, from, from, { stride, group: from }),
      from,
      to,
      { kernel: 1 },
    );
  }

  relu(name: string, input: string): string {
    return this.b.emit('Relu', [input], {}, { outputs: [`${name}.relu`] });
  }

  upsample(input: string): string {
    return this.b.emit('Resize', [input, '', this.b.floats([1, 1, 2, 2])], {
      mode: text('nearest'),
      nearest_mode: text('floor'),
      coordinate_transformation_mode: text('asymmetric'),
    });
  }

  heatmapHead(name: string, s4: string, from: number, classes: number): string {
    const features = this.separable(`${name}.features`, s4, from, from, 1);
    return this.output(name, features, from, classes, Math.log(PRIOR / (1 - PRIOR)));
  }

  denseHead(name: string, s2: string, s4: string, w: number, classes: number): string {
    const context = this.upsample(this.block(`${name}.context`, s4, 4 * w, 2 * w, { kernel: 1 }));
    const joined = this.b.emit('Concat', [s2, context], { axis: int(1) }, { outputs: [`${name}.joined`] });
    return this.output(name, this.separable(`${name}.features`, joined, 4 * w, 3 * w, 1), 3 * w, classes, 0);
  }

  private output(name: string, input: string, from: number, classes: number, bias: number): string {
    const weight = this.tensor(
      `${name}.out.weight`,
      [classes, from, 1, 1],
      () => this.random.normal() * Math.sqrt(1 / from),
    );
    const constant = this.tensor(`${name}.out.bias`, [classes], () => bias);
    return this.b.emit('Conv', [input, weight, constant], { kernel_shape: ints([1, 1]) }, { outputs: [`${name}.out`] });
  }

  private conv(name: string, input: string, shape: readonly number[], stride: number, group: number): string {
    const [, fanIn, kernel] = shape as [number, number, number, number];
    const deviation = Math.sqrt(2 / (fanIn * kernel * kernel));
    const weight = this.tensor(`${name}.weight`, shape, () => this.random.normal() * deviation);
    const pad = (kernel - 1) / 2;
    const attributes = {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
      group: int(group),
    };
    return this.b.emit('Conv', [input, weight], attributes, { outputs: [`${name}.conv`] });
  }

  private tensor(name: string, shape: readonly number[], fill: () => number): string {
    this.b.initializers.set(name, {
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, fill),
    });
    return name;
  }
}
