// The three networks of the kernel's races, as lists of layers that PyTorch's side reads too: convolutions with batch norm and
// Relu, sums, joins, pooling and doubling. And the ONNX graph of such a list, with seeded weights.
import { scopeMetadata } from '../../src/qat/network/network.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { float, int, ints, text } from '../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../src/qat/onnx/ir.ts';
import { elementCount } from '../../src/support/tensor.ts';
import { Random } from '../../src/support/random.ts';

export interface ConvLayer {
  readonly op: 'conv';
  readonly id: string;
  readonly from: readonly [string];
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly groups: number;
  /** Without: a bias, as in the last layer. */
  readonly norm: boolean;
  readonly relu: boolean;
}

export interface JoinLayer {
  readonly op: 'add' | 'concat' | 'pool' | 'double';
  readonly id: string;
  readonly from: readonly string[];
  /** After a sum. */
  readonly relu: boolean;
}

export interface RaceNetwork {
  readonly name: string;
  /** [C, H, W] */
  readonly input: readonly [number, number, number];
  readonly batch: number;
  readonly classes: number;
  /** Of the dense output: input size over stride. */
  readonly stride: number;
  /** In execution order; the last one is the output. */
  readonly layers: readonly (ConvLayer | JoinLayer)[];
}

class Layers {
  readonly list: (ConvLayer | JoinLayer)[] = [];

  conv(from: string, inputs: number, outputs: number, more: Partial<ConvLayer> = {}): string {
    const id = `l${this.list.length}`;
    const plain = { kernel: 3, stride: 1, groups: 1, norm: true, relu: true };
    this.list.push({ op: 'conv', id, from: [from], inputs, outputs, ...plain, ...more });
    return id;
  }

  separable(from: string, inputs: number, outputs: number, stride = 1): string {
    return this.conv(this.conv(from, inputs, inputs, { groups: inputs, stride }), inputs, outputs, { kernel: 1 });
  }

  join(op: JoinLayer['op'], from: readonly string[], relu = false): string {
    const id = `l${this.list.length}`;
    this.list.push({ op, id, from, relu });
    return id;
  }

  output(from: string, inputs: number, classes: number): readonly (ConvLayer | JoinLayer)[] {
    this.conv(from, inputs, classes, { kernel: 1, norm: false, relu: false });
    return this.list;
  }
}

const CLASSES = 11;

/** The shape of the built-in model: separable blocks down to stride 8, a top-down neck, a dense output at stride 4. */
function depthwiseSeparable(w: number): RaceNetwork {
  const m = new Layers();
  const stem = m.conv('image', 3, w, { stride: 2 });
  const block1 = m.separable(stem, w, 2 * w);
  const block3 = m.separable(m.separable(block1, 2 * w, 3 * w, 2), 3 * w, 4 * w);
  const block5 = m.separable(m.separable(block3, 4 * w, 6 * w, 2), 6 * w, 6 * w);
  const lateral = m.join('double', [m.conv(block5, 6 * w, 4 * w, { kernel: 1 })]);
  const merged = m.separable(m.join('add', [block3, lateral], true), 4 * w, 4 * w);
  const layers = m.output(merged, 4 * w, CLASSES);
  return { name: 'depthwise-separable', input: [3, 64, 64], batch: 32, classes: CLASSES, stride: 4, layers };
}

/** Three stages of basic blocks (He and others 2015, the CIFAR form), a dense output at stride 4. */
function resnetLike(w: number, blocks = 2, batch = 32): RaceNetwork {
  const m = new Layers();
  let [value, channels] = [m.conv('image', 3, w), w];
  for (const [outputs, first] of [
    [w, 1],
    [2 * w, 2],
    [4 * w, 2],
  ] as const) {
    for (const stride of [first, ...Array.from({ length: blocks - 1 }, () => 1)]) {
      const inner = m.conv(m.conv(value, channels, outputs, { stride }), outputs, outputs, { relu: false });
      const same = stride === 1 && channels === outputs;
      const shortcut = same ? value : m.conv(value, channels, outputs, { kernel: 1, stride, relu: false });
      value = m.join('add', [inner, shortcut], true);
      channels = outputs;
    }
  }
  const layers = m.output(value, channels, CLASSES);
  return { name: 'ResNet-like', input: [3, 32, 32], batch, classes: CLASSES, stride: 4, layers };
}

/** Two levels down by max pooling and up by doubling, with joins (Ronneberger and others 2015). */
function unetLike(w: number): RaceNetwork {
  const m = new Layers();
  const twice = (from: string, inputs: number, outputs: number): string =>
    m.conv(m.conv(from, inputs, outputs), outputs, outputs);
  const top = twice('image', 3, w);
  const middle = twice(m.join('pool', [top]), w, 2 * w);
  const bottom = twice(m.join('pool', [middle]), 2 * w, 4 * w);
  const up = twice(m.join('concat', [middle, m.join('double', [bottom])]), 6 * w, 2 * w);
  const last = twice(m.join('concat', [top, m.join('double', [up])]), 3 * w, w);
  const layers = m.output(last, w, CLASSES);
  return { name: 'U-Net-like', input: [3, 64, 64], batch: 8, classes: CLASSES, stride: 1, layers };
}

export const networks: readonly RaceNetwork[] = [depthwiseSeparable(16), resnetLike(16), unetLike(16)];

/** For compiling alone: over 200 nodes of the float graph. */
export const deep: RaceNetwork = { ...resnetLike(8, 10, 2), name: 'deep ResNet-like' };

/** For many steps. */
export const small: RaceNetwork = { ...resnetLike(4, 1, 4), name: 'small ResNet-like' };

export const OUTPUT = 'output';

/** Scopes: the last layer is the one head, what comes before it the backbone. */
export function graphOf({ name, input, layers }: RaceNetwork): GraphIr {
  const b = new GraphBuilder('m');
  const random = new Random(1);
  const tensor = (key: string, shape: readonly number[], value: () => number): string => {
    const data = Float32Array.from({ length: elementCount(shape) }, value);
    b.initializers.set(key, { dtype: 'float32', shape, data });
    return key;
  };
  const values = new Map([['image', 'image']]);
  const last = layers.at(-1) as ConvLayer;
  for (const layer of layers) {
    const from = layer.from.map((id) => values.get(id) as string);
    let value = layer.op === 'conv' ? emitConv(layer, from[0] as string) : emitJoin(layer, from);
    if (layer.relu) value = b.emit('Relu', [value], {}, { outputs: [`${layer.id}.relu`] });
    values.set(layer.id, value);
  }
  return b.finish({
    name,
    opset: 18,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', ...input] }],
    outputs: [{ name: OUTPUT, dtype: 'float32' }],
    metadata: scopeMetadata({
      backbone: { boundary: [values.get(last.from[0]) as string] },
      heads: { dense: { outputs: [OUTPUT] } },
    }),
  });

  function emitConv(layer: ConvLayer, from: string): string {
    const { id, inputs, outputs, kernel, stride, groups, norm } = layer;
    const perGroup = inputs / groups;
    const deviation = Math.sqrt(2 / (perGroup * kernel * kernel));
    const weight = tensor(`${id}.weight`, [outputs, perGroup, kernel, kernel], () => random.normal() * deviation);
    const pad = (kernel - 1) / 2;
    const attributes = {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
      group: int(groups),
    };
    if (!norm)
      return b.emit('Conv', [from, weight, tensor(`${id}.bias`, [outputs], () => 0)], attributes, {
        outputs: [OUTPUT],
      });
    const conv = b.emit('Conv', [from, weight], attributes, { outputs: [`${id}.conv`] });
    const statistics = [1, 0, 0, 1].map((value, index) => tensor(`${id}.norm${index}`, [outputs], () => value));
    return b.emit('BatchNormalization', [conv, ...statistics], { epsilon: float(1e-5) }, { outputs: [`${id}.norm`] });
  }

  function emitJoin({ op, id }: JoinLayer, from: readonly string[]): string {
    const made = { outputs: [id] };
    switch (op) {
      case 'add':
        return b.emit('Add', from, {}, made);
      case 'concat':
        return b.emit('Concat', from, { axis: int(1) }, made);
      case 'pool':
        return b.emit('MaxPool', from, { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }, made);
      case 'double': {
        const scales = b.floats([1, 1, 2, 2]);
        const how = { mode: text('nearest'), coordinate_transformation_mode: text('asymmetric') };
        return b.emit('Resize', [from[0] as string, '', scales], { ...how, nearest_mode: text('floor') }, made);
      }
    }
  }
}
