// What a number format costs on a scope: bits of weights, and multiplications weighted with the bits of both factors, a
// stand-in for latency and energy where no device is at hand. Not a measurement of any device.
import type { LayerUnit, Network } from '../network/network.ts';
import { weightLayout } from '../network/weight-layout.ts';
import type { Placement } from '../quantize/placement.ts';

export interface LayerWork {
  readonly layer: LayerUnit;
  readonly weights: number;
  /** Multiply-accumulates for one image. */
  readonly macs: number;
}

export interface FormatCost {
  /** Of the scope's weights, biases and scales left out. */
  readonly weightBits: number;
  /** Σ multiply-accumulates × bits of the weight × bits of the input, for one image. */
  readonly bitOperations: number;
}

/** Bits of a factor that lies on no grid. */
const FLOAT_BITS = 32;

/** @param shapeOf shape of a value for one image, without the batch axis: [C, H, W]. */
export function workOf(
  network: Network,
  scope: string,
  shapeOf: (value: string) => readonly number[],
): readonly LayerWork[] {
  return network.units.flatMap((unit) => {
    if (unit.kind !== 'layer' || unit.scope !== scope) return [];
    const shape = network.graph.initializers.get(unit.weight)?.shape ?? [];
    const weights = sizeOf(shape);
    return [{ layer: unit, weights, macs: weights * positions(unit, shape, shapeOf) }];
  });
}

/** How often each weight is used for one image: once per position of the output; of the input for a ConvTranspose. */
function positions(unit: LayerUnit, shape: readonly number[], shapeOf: (value: string) => readonly number[]): number {
  if (unit.node.op === 'ConvTranspose') return sizeOf(shapeOf(unit.input)) / (shape[0] ?? 1);
  return sizeOf(shapeOf(unit.output)) / weightLayout(unit.node, shape).outputs;
}

export function costOf(works: readonly LayerWork[], placement: Placement): FormatCost {
  let [weightBits, bitOperations] = [0, 0];
  for (const { layer, weights, macs } of works) {
    const bits = placement.weights.get(layer.quantiser)?.format.bits ?? FLOAT_BITS;
    weightBits += weights * bits;
    bitOperations += macs * bits * (placement.sourceOf(layer.input)?.format.bits ?? FLOAT_BITS);
  }
  return { weightBits, bitOperations };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
