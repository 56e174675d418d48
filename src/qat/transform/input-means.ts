// The mean of a layer's input under every tap of its kernel, [C, kH, kW], padding counted as the zeros it is: all that the
// mean error of a layer's output depends on besides the weights' own errors.
import type { LayerUnit } from '../network/network.ts';
import { intsOf, textOf } from '../onnx/ir.ts';
import type { Tensor } from '../../support/tensor.ts';

export class InputMeans {
  private readonly unit: LayerUnit;
  private readonly kernel: readonly [number, number];
  private sums = new Float64Array(0);
  private channels = 0;
  private positions = 0;

  /** @param kernel [kH, kW] */
  constructor(unit: LayerUnit, kernel: readonly [number, number]) {
    this.unit = unit;
    this.kernel = kernel;
  }

  /** Whether the layer's pads are written out: `auto_pad` is not read here. */
  static canRead({ conv }: LayerUnit): boolean {
    return ['NOTSET', 'VALID'].includes(textOf(conv, 'auto_pad', 'NOTSET'));
  }

  /** @param input [N, C, H, W]. @param weight how often the batch counts. */
  observe({ shape, data }: Tensor, weight = 1): void {
    const [images, channels, height, width] = shape as readonly [number, number, number, number];
    const [kernelHeight, kernelWidth] = this.kernel;
    const { conv } = this.unit;
    const [strideY = 1, strideX = 1] = intsOf(conv, 'strides', [1, 1]);
    const [dilationY = 1, dilationX = 1] = intsOf(conv, 'dilations', [1, 1]);
    const [top = 0, left = 0, bottom = 0, right = 0] = intsOf(conv, 'pads', [0, 0, 0, 0]);
    const rows = Math.floor((height + top + bottom - dilationY * (kernelHeight - 1) - 1) / strideY) + 1;
    const columns = Math.floor((width + left + right - dilationX * (kernelWidth - 1) - 1) / strideX) + 1;
    const total = sumOverImages(data as Float32Array, images);
    if (this.channels === 0) this.sums = new Float64Array(channels * kernelHeight * kernelWidth);
    this.channels = channels;
    this.positions += weight * images * rows * columns;
    let tap = 0;
    for (let channel = 0; channel < channels; channel++) {
      for (let y = 0; y < kernelHeight; y++) {
        for (let x = 0; x < kernelWidth; x++) {
          let sum = 0;
          for (let row = 0; row < rows; row++) {
            const from = row * strideY + y * dilationY - top;
            if (from < 0 || from >= height) continue;
            for (let column = 0; column < columns; column++) {
              const at = column * strideX + x * dilationX - left;
              if (at >= 0 && at < width) sum += total[(channel * height + from) * width + at] as number;
            }
          }
          this.sums[tap] = (this.sums[tap] as number) + weight * sum;
          tap++;
        }
      }
    }
  }

  means(): Tensor {
    const data = this.sums.map((sum) => sum / Math.max(this.positions, 1));
    return { dtype: 'float64', shape: [this.channels, ...this.kernel], data };
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
