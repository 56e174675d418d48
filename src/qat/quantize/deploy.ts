// The deployed form of a quantised layer: folded weights on their per-channel grid, bias on the integer grid of
// accumulators, clip(round(b / (s_x·s_w)), int32)·s_x·s_w. The reference forward and the exported file both come from here.
import type { LayerUnit, Network } from '../network/network.ts';
import { foldLayer } from '../network/fold.ts';
import type { Parameters } from '../network/fold.ts';
import { weightLayout } from '../network/weight-layout.ts';
import type { Placement } from './placement.ts';
import { EPSILON, limits, nextPowerOfTwo, quantizeValue, roundHalfEven, scaleOf } from './scheme.ts';
import type { Format } from './scheme.ts';

export interface DeployedLayer {
  readonly weightShape: readonly number[];
  /** Integer steps, one per element. */
  readonly weightSteps: Int8Array | Int16Array;
  /** One per channel of the weight's channel axis. */
  readonly weightScales: Float32Array;
  /** DequantizeLinear's axis of the weight. */
  readonly weightAxis: number;
  readonly weights: Float32Array;
  /** One per output channel: on the accumulators' grid, or as it is where the target leaves it float. */
  readonly bias: Float32Array;
  /** The steps of the bias and s_x·s_w in float32, one per output channel; none where it is float. */
  readonly biasGrid?: { readonly steps: Int32Array; readonly scales: Float32Array };
}

const INT32 = 2 ** 31 - 1;
/**
 * The largest bias in steps. Integer kernels add it to the sum of products in an int32 that wraps around: half of the range is
 * that sum's, which 8-bit layers stay within up to 2¹⁵ products per output.
 */
const LARGEST_BIAS = 2 ** 30;

/** Per-channel scales of the folded weights. */
export function weightScalesOf(unit: LayerUnit, parameters: Parameters, format: Format): Float32Array {
  const { weight } = foldLayer(unit, parameters);
  const { scales, scaleOf: channelOf } = weightLayout(unit.node, weight.shape);
  const magnitudes = new Float32Array(scales);
  for (const [index, value] of weight.data.entries()) {
    const channel = channelOf(index);
    magnitudes[channel] = Math.max(magnitudes[channel] as number, Math.abs(value));
  }
  return magnitudes.map((magnitude) => scaleOf(-magnitude, magnitude, format));
}

/** Per-channel scales of the scope's folded weights as they are now (re-derived at every save, so that they never lag). */
export function scopeWeightScales(
  network: Network,
  placement: Placement,
  scope: string,
  parameters: Parameters,
): ReadonlyMap<string, Float32Array> {
  const scales = new Map<string, Float32Array>();
  for (const unit of network.units) {
    if (unit.kind !== 'layer' || unit.scope !== scope) continue;
    const format = placement.weights.get(unit.quantiser)?.format;
    if (format !== undefined) scales.set(unit.quantiser, weightScalesOf(unit, parameters, format));
  }
  return scales;
}

/**
 * @param inputScale scale of the layer's input activations; undefined where the bias stays float: on targets that say so, and
 * where the input lies on no grid.
 */
export function deployLayer(
  unit: LayerUnit,
  parameters: Parameters,
  scales: Float32Array,
  format: Format,
  inputScale: number | undefined,
): DeployedLayer {
  const { weight, bias } = foldLayer(unit, parameters);
  const layout = weightLayout(unit.node, weight.shape);
  const { qmin, qmax } = limits(format);
  const weightScales = scales.map((scale) => Math.max(scale, EPSILON));
  // Raised where the bias would be too large for an accumulator (a tiny weight scale beside a large bias).
  for (let output = 0; inputScale !== undefined && output < layout.outputs; output++) {
    const needed = Math.fround(Math.abs(bias.data[output] as number) / (inputScale * LARGEST_BIAS));
    const channel = output % layout.scales;
    const raised = Math.max(weightScales[channel] as number, needed);
    weightScales[channel] = format.powerOfTwo === true ? nextPowerOfTwo(raised) : raised;
  }
  const weightSteps = format.bits > 8 ? new Int16Array(weight.data.length) : new Int8Array(weight.data.length);
  const weights = new Float32Array(weight.data.length);
  for (const [index, value] of weight.data.entries()) {
    const scale = weightScales[layout.scaleOf(index)] as number;
    const steps = Math.min(Math.max(quantizeValue(value, scale, format), qmin), qmax);
    weightSteps[index] = steps;
    weights[index] = steps * scale;
  }
  const biasGrid = inputScale === undefined ? undefined : gridOf(bias.data, inputScale, weightScales);
  return {
    weightShape: weight.shape,
    weightSteps,
    weightScales,
    weightAxis: layout.axis,
    weights,
    bias: biasGrid === undefined ? bias.data : dequantize(biasGrid.steps, biasGrid.scales),
    ...(biasGrid === undefined ? {} : { biasGrid }),
  };
}

function gridOf(bias: Float32Array, inputScale: number, weightScales: Float32Array) {
  const scales = bias.map((_, output) => inputScale * (weightScales[output % weightScales.length] as number));
  const steps = Int32Array.from(bias, (value, output) => {
    const rounded = roundHalfEven(value / (scales[output] as number));
    return Math.min(Math.max(rounded, -INT32 - 1), INT32);
  });
  return { steps, scales };
}

/** steps · scale in float32, per channel, as DequantizeLinear computes it. */
export function dequantize(steps: ArrayLike<number>, scales: Float32Array): Float32Array {
  const perChannel = steps.length / scales.length;
  return Float32Array.from(
    { length: steps.length },
    (_, index) => Math.fround(steps[index] as number) * (scales[Math.floor(index / perChannel)] as number),
  );
}
