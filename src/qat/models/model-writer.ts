// Layers with seeded weights (Kaiming normal, fan-in), written into a graph under names of their own. Which layers a model or
// a head has is decided where they are put together.
import type { Random } from '../../support/random.ts';
import { elementCount } from '../../support/tensor.ts';
import { GraphBuilder } from '../onnx/builder.ts';
import { float, int, ints, text } from '../onnx/ir.ts';

export interface BlockOptions {
  readonly kernel?: number;
  readonly stride?: number;
  readonly group?: number;
}

export class ModelWriter {
  readonly b: GraphBuilder;
  private readonly random: Random;

  /** @param prefix of the values that have no name of their own. */
  constructor(random: Random, prefix: string) {
    this.random = random;
    this.b = new GraphBuilder(prefix);
  }

  /** Convolution, batch norm, Relu. */
  block(name: string, input: string, from: number, to: number, options: BlockOptions): string {
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

  upsample(input: string, factor: number): string {
    return this.b.emit('Resize', [input, '', this.b.floats([1, 1, factor, factor])], {
      mode: text('nearest'),
      nearest_mode: text('floor'),
      coordinate_transformation_mode: text('asymmetric'),
    });
  }

  /** Channels of several values behind each other; one alone is left as it is. */
  join(name: string, values: readonly [string, ...string[]]): string {
    if (values.length === 1) return values[0];
    return this.b.emit('Concat', values, { axis: int(1) }, { outputs: [`${name}.joined`] });
  }

  /** 1×1 to the classes; every bias starts at `bias`. */
  output(name: string, input: string, from: number, classes: number, bias: number): string {
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
