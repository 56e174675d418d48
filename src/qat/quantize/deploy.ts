// The deployed form of a quantised layer: folded weights on their per-channel grid, bias on the integer grid of
// accumulators, clip(round(b / (s_x·s_w)), int32)·s_x·s_w. The reference forward and the exported file both come from here.
import type { LayerUnit } from '../network/network.ts';
import { foldLayer } from '../network/fold.ts';
import type { Parameters } from '../network/fold.ts';
import { EPSILON, limits, nextPowerOfTwo, quantizeValue, roundHalfEven, scaleOf } from './scheme.ts';
import type { Format } from './scheme.ts';

export interface DeployedLayer {
  readonly weightShape: readonly number[];
  /** Integer steps, one per element. */
  readonly weightSteps: Int8Array | Int16Array;
  /** One per output channel. */
  readonly weightScales: Float32Array;
  readonly biasSteps: Int32Array;
  /** s_x·s_w in float32, one per output channel. */
  readonly biasScales: Float32Array;
}

const INT32 = 2 ** 31 - 1;

/** Per-channel scales of the folded weights. */
export function weightScalesOf(unit: LayerUnit, parameters: Parameters, format: Format): Float32Array {
  const { weight } = foldLayer(unit, parameters);
  const channels = weight.shape[0] as number;
  const perChannel = weight.data.length / channels;
  return Float32Array.from({ length: channels }, (_, channel) => {
    let magnitude = 0;
    for (let index = channel * perChannel; index < (channel + 1) * perChannel; index++) {
      magnitude = Math.max(magnitude, Math.abs(weight.data[index] as number));
    }
    return scaleOf(-magnitude, magnitude, format);
  });
}

/** @param inputScale scale of the layer's input activations. */
export function deployLayer(
  unit: LayerUnit,
  parameters: Parameters,
  scales: Float32Array,
  format: Format,
  inputScale: number,
): DeployedLayer {
  const { weight, bias } = foldLayer(unit, parameters);
  const channels = weight.shape[0] as number;
  const perChannel = weight.data.length / channels;
  const { qmin, qmax } = limits(format);
  const weightSteps = format.bits > 8 ? new Int16Array(weight.data.length) : new Int8Array(weight.data.length);
  const weightScales = new Float32Array(channels);
  const biasSteps = new Int32Array(channels);
  const biasScales = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const b = bias.data[channel] as number;
    // Raised where the bias would not fit an int32 (a tiny weight scale beside a large bias).
    const needed = Math.fround(Math.abs(b) / (inputScale * (INT32 - 128)));
    const raised = Math.max(scales[channel] as number, needed, EPSILON);
    weightScales[channel] = format.powerOfTwo === true ? nextPowerOfTwo(raised) : raised;
    for (let index = channel * perChannel; index < (channel + 1) * perChannel; index++) {
      weightSteps[index] = Math.min(
        Math.max(quantizeValue(weight.data[index] as number, weightScales[channel] as number, format), qmin),
        qmax,
      );
    }
    biasScales[channel] = inputScale * (weightScales[channel] as number);
    const steps = roundHalfEven(b / (biasScales[channel] as number));
    biasSteps[channel] = Math.min(Math.max(steps, -INT32 - 1), INT32);
  }
  return { weightShape: weight.shape, weightSteps, weightScales, biasSteps, biasScales };
}

/** steps · scale in float32, per channel, as DequantizeLinear computes it. */
export function dequantize(steps: ArrayLike<number>, scales: Float32Array): Float32Array {
  const perChannel = steps.length / scales.length;
  return Float32Array.from(
    { length: steps.length },
    (_, index) => Math.fround(steps[index] as number) * (scales[Math.floor(index / perChannel)] as number),
  );
}
