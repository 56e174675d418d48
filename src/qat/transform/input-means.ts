// The mean of a layer's input under every tap of its kernel, [C, kH, kW], padding counted as the zeros it is: all that the
// mean error of a layer's output depends on besides the weights' own errors. For Gemm and MatMul, the mean of every input
// channel, [C].
import type { LayerUnit, Network } from '../network/network.ts';
import { intsOf, textOf } from '../onnx/ir.ts';
import type { Tensor } from '../../support/tensor.ts';

/** [kH, kW]; [] for layers that have no kernel. */
export function kernelOf({ graph }: Network, { weight }: LayerUnit): readonly number[] {
  return graph.initializers.get(weight)?.shape.slice(2) ?? [];
}

export class InputMeans {
  private readonly unit: LayerUnit;
  private readonly kernel: readonly number[];
  private sums = new Float64Array(0);
  private channels = 0;
  private positions = 0;

  /** @param kernel [kH, kW]; [] where there is none. */
  constructor(unit: LayerUnit, kernel: readonly number[]) {
    this.unit = unit;
    this.kernel = kernel;
  }

  /** Whether the layer works on images with pads that are written out (`auto_pad` is not read here), or on no images at all. */
  static canRead({ node }: LayerUnit, kernel: readonly number[]): boolean {
    if (kernel.length === 0) return true;
    const written = ['NOTSET', 'VALID'].includes(textOf(node, 'auto_pad', 'NOTSET'));
    return kernel.length === 2 && written && node.attributes['output_shape'] === undefined;
  }

  /** @param input [N, C, H, W]; [..., C] where there is no kernel. @param weight how often the batch counts. */
  observe({ shape, data }: Tensor, weight = 1): void {
    const values = data as Float32Array;
    if (this.kernel.length === 0) this.observeRows(values, shape.at(-1) as number, weight);
    else this.observeImages(values, shape as readonly [number, number, number, number], weight);
  }

  means(): Tensor {
    const data = this.sums.map((sum) => sum / Math.max(this.positions, 1));
    return { dtype: 'float64', shape: [this.channels, ...this.kernel], data };
  }

  private observeRows(data: Float32Array, channels: number, weight: number): void {
    this.start(channels);
    this.positions += weight * (data.length / channels);
    for (const [index, value] of data.entries())
      this.sums[index % channels] = (this.sums[index % channels] as number) + weight * value;
  }

  private observeImages(data: Float32Array, shape: readonly [number, number, number, number], weight: number): void {
    const [images, channels, height, width] = shape;
    const [y, x] = [this.axis(0, height), this.axis(1, width)] as const;
    const total = sumOverImages(data, images);
    this.start(channels);
    this.positions += weight * images * y.outputs * x.outputs;
    let tap = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (const rows of y.read) {
        for (const columns of x.read) {
          let sum = 0;
          for (const row of rows)
            for (const column of columns) sum += total[(channel * height + row) * width + column] as number;
          this.sums[tap] = (this.sums[tap] as number) + weight * sum;
          tap++;
        }
      }
    }
  }

  private start(channels: number): void {
    if (this.channels > 0) return;
    this.channels = channels;
    this.sums = new Float64Array(this.kernel.reduce((product, size) => product * size, channels));
  }

  /** Along one axis: how many outputs there are, and tap by tap the inputs that it reads (or spreads, when transposed). */
  private axis(
    index: number,
    size: number,
  ): { readonly outputs: number; readonly read: readonly (readonly number[])[] } {
    const { node } = this.unit;
    const taps = this.kernel[index] as number;
    const stride = intsOf(node, 'strides', [1, 1])[index] as number;
    const dilation = intsOf(node, 'dilations', [1, 1])[index] as number;
    const pads = intsOf(node, 'pads', [0, 0, 0, 0]);
    const [before, after] = [pads[index] as number, pads[index + 2] as number];
    const reach = dilation * (taps - 1) + 1;
    const transposed = node.op === 'ConvTranspose';
    const extra = intsOf(node, 'output_padding', [0, 0])[index] as number;
    const outputs = transposed
      ? (size - 1) * stride + reach + extra - before - after
      : Math.floor((size + before + after - reach) / stride) + 1;
    const read = Array.from({ length: taps }, (_, tap) => {
      // Which input a tap reads for an output, or which output it adds an input to.
      const [from, to] = transposed ? [size, outputs] : [outputs, size];
      const places = Array.from({ length: from }, (_place, at) => [at, at * stride + tap * dilation - before] as const);
      const inside = places.filter(([, place]) => place >= 0 && place < to);
      return inside.map(([at, place]) => (transposed ? at : place));
    });
    return { outputs, read };
  }
}

/** Images first: the taps then cost no more than one image does. */
function sumOverImages(data: Float32Array, images: number): Float64Array {
  const size = data.length / images;
  const total = new Float64Array(size);
  for (let index = 0; index < data.length; index++) {
    const at = index % size;
    total[at] = (total[at] as number) + (data[index] as number);
  }
  return total;
}
