// Bias correction (Nagel et al. 2019, the empirical form): rounding a layer's weights by ε shifts the mean of each output
// channel by Σ ε·E[input under the tap]; the layer's bias, or β of its batch norm, takes the shift back. The means are those
// of the float network on the calibration data (input-means.ts). Layers that have neither bias nor batch norm, or
// share it with another layer, are left alone.
import { foldLayer, parameterOf } from '../network/fold.ts';
import type { Parameters } from '../network/fold.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { weightLayout } from '../network/weight-layout.ts';
import type { Placement } from '../quantize/placement.ts';
import { fakeQuantValue } from '../quantize/scheme.ts';
import type { Format } from '../quantize/scheme.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';

export interface Corrected {
  readonly parameters: ReadonlyMap<string, FloatTensor>;
  /** Weights of the layers whose bias was corrected, and of those that have nothing to correct. */
  readonly corrected: readonly string[];
  readonly touched: ReadonlySet<string>;
  readonly skipped: readonly string[];
}

/**
 * @param scales of the weights, per channel.
 * @param inputMeans weight → [C, kH, kW], or [C] where there is no kernel; a layer without is skipped.
 */
export function correctBiases(
  network: Network,
  scope: string,
  parameters: Parameters,
  placement: Placement,
  scales: ReadonlyMap<string, Float32Array>,
  inputMeans: ReadonlyMap<string, Tensor>,
): Corrected {
  const current = new Map(parameters);
  const corrected: string[] = [];
  const touched = new Set<string>();
  const skipped: string[] = [];
  const targets = network.units.flatMap((unit) => (unit.kind === 'layer' ? [biasOf(unit)] : []));
  for (const unit of network.units) {
    if (unit.kind !== 'layer' || unit.scope !== scope) continue;
    const format = placement.weights.get(unit.quantiser)?.format;
    const [means, scale, target] = [inputMeans.get(unit.quantiser), scales.get(unit.quantiser), biasOf(unit)];
    const isShared = targets.filter((other) => other === target).length > 1;
    if (format === undefined || means === undefined || scale === undefined || target === undefined || isShared) {
      skipped.push(unit.quantiser);
      continue;
    }
    const shift = outputShift(unit, parameters, format, scale, means);
    const { shape, data } = parameterOf(current, target);
    // One value for all channels cannot take back what each of them is off by.
    if (data.length !== shift.length) {
      skipped.push(unit.quantiser);
      continue;
    }
    const taken = data.map((value, channel) => value - (shift[channel] as number));
    current.set(target, floatTensor(shape, taken));
    corrected.push(unit.quantiser);
    touched.add(target);
  }
  return { parameters: current, corrected, touched, skipped };
}

/** The parameter that is added, with factor 1, to the folded layer's output. */
export function biasOf(unit: LayerUnit): string | undefined {
  return unit.norm === undefined ? unit.bias : unit.norm.inputs[2];
}

/** By how much rounding the weights moves the mean of each output channel. */
export function outputShift(
  unit: LayerUnit,
  parameters: Parameters,
  format: Format,
  scales: Float32Array,
  inputMeans: Tensor,
): Float64Array {
  const { weight } = foldLayer(unit, parameters);
  const { outputs, taps, outputOf, inputOf, scaleOf } = weightLayout(unit.node, weight.shape);
  const shift = new Float64Array(outputs);
  for (const [index, value] of weight.data.entries()) {
    const error = fakeQuantValue(value, scales[scaleOf(index)] as number, format) - value;
    const mean = inputMeans.data[inputOf(index) * taps + (index % taps)] as number;
    shift[outputOf(index)] = (shift[outputOf(index)] as number) + error * mean;
  }
  return shift;
}
