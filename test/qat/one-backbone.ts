// A backbone of one convolution and whatever heads a test writes on it: for what a file may hold that the small network does
// not. Parameters are seeded, batch norms are not the identity.
import { recogniseNetwork, scopeMetadata } from '../../src/qat/network/network.ts';
import type { Network, ScopeNames } from '../../src/qat/network/network.ts';
import { GraphBuilder } from '../../src/qat/onnx/builder.ts';
import { float, int, ints } from '../../src/qat/onnx/ir.ts';
import type { GraphIr } from '../../src/qat/onnx/ir.ts';
import { normaliseImported } from '../../src/qat/onnx/normalise.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import { Random } from '../../src/support/random.ts';
import { randomTensor } from './graphs.ts';
import { SIZE } from './networks.ts';

/** Channels of the backbone's boundary tensor. */
export const FEATURES = 8;
/** The boundary tensor: [N, FEATURES, SIZE, SIZE], not negative. */
export const BOUNDARY = 'features';

export interface BatchNormOptions {
  /** Each channel's γ. By default near 1. */
  readonly gamma?: readonly number[];
  readonly epsilon?: number;
}

/** Writes nodes of heads. Names count up, so that equal calls give equal graphs. */
export class HeadWriter {
  readonly b = new GraphBuilder('h');
  private readonly random: Random;
  private counter = 0;

  constructor(seed = 11) {
    this.random = new Random(seed);
  }

  /** A parameter of normal numbers. */
  weight(shape: readonly number[], scale = 0.3): string {
    return this.named('w', floatTensor(shape, randomTensor(this.random, shape, scale).data));
  }

  values(numbers: readonly number[], shape: readonly number[] = [numbers.length]): string {
    return this.named('c', floatTensor(shape, Float32Array.from(numbers)));
  }

  conv(input: string, weight: string, bias: readonly string[] = [], attributes: { group?: number; pad?: number } = {}) {
    const { group = 1, pad = 1 } = attributes;
    return this.b.emit('Conv', [input, weight, ...bias], { group: int(group), pads: ints([pad, pad, pad, pad]) });
  }

  relu(input: string): string {
    return this.b.emit('Relu', [input]);
  }

  batchNorm(input: string, channels: number, { gamma, epsilon = 1e-5 }: BatchNormOptions = {}): string {
    const drawn = (draw: () => number): string => this.values(Array.from({ length: channels }, draw));
    const parameters = [
      gamma === undefined ? drawn(() => 1 + 0.3 * this.random.normal()) : this.values(gamma),
      drawn(() => 0.3 * this.random.normal()),
      drawn(() => 0.3 * this.random.normal()),
      drawn(() => 0.5 + this.random.uniform()),
    ];
    return this.b.emit('BatchNormalization', [input, ...parameters], { epsilon: float(epsilon) });
  }

  /** [N, channels], of each channel's mean. */
  pooled(input: string): string {
    return this.b.emit('Flatten', [this.b.emit('GlobalAveragePool', [input])], { axis: int(1) });
  }

  /** Ends a head: a copy under the head's name, so that what makes the output can be anything. */
  output(name: string, value: string): void {
    const node = this.b.nodes.find(({ outputs }) => outputs.includes(value));
    if (node === undefined) throw new Error(`nothing makes "${value}"`);
    this.b.nodes.splice(this.b.nodes.indexOf(node), 1, {
      ...node,
      outputs: node.outputs.map((made) => (made === value ? name : made)),
    });
  }

  private named(kind: string, tensor: ReturnType<typeof floatTensor>): string {
    const name = `${kind}${this.counter++}`;
    this.b.initializers.set(name, tensor);
    return name;
  }
}

/** @param write the heads, by name, each an output of its own name; gives the names of the outputs by head. */
export function graphWithHeads(
  write: (heads: HeadWriter) => { readonly [head: string]: readonly string[] },
  { opset = 18, seed = 11 } = {},
): { readonly graph: GraphIr; readonly scopes: ScopeNames } {
  const writer = new HeadWriter(seed);
  const conv = writer.conv('image', writer.weight([FEATURES, 3, 3, 3]), [writer.weight([FEATURES])]);
  writer.b.emit('Relu', [conv], {}, { outputs: [BOUNDARY] });
  const outputs = write(writer);
  const heads = Object.fromEntries(Object.entries(outputs).map(([head, names]) => [head, { outputs: names }]));
  const scopes: ScopeNames = { backbone: { boundary: [BOUNDARY] }, heads };
  const graph = writer.b.finish({
    name: 'one-backbone',
    opset,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', 3, SIZE, SIZE] }],
    outputs: Object.values(outputs)
      .flat()
      .map((name) => ({ name, dtype: 'float32' })),
    metadata: scopeMetadata(scopes),
  });
  return { graph, scopes };
}

/** As `import` leaves it. */
export async function networkWithHeads(...given: Parameters<typeof graphWithHeads>): Promise<Network> {
  const { graph, scopes } = graphWithHeads(...given);
  return recogniseNetwork(await normaliseImported(graph), scopes);
}
