// The second net under the kernel: every quantised weight is within half a step, and four units in the last place, of its own
// float one, clipped to what its format spans with the scale of its own channel. A scale that is stale, another layer's or along
// another axis, a weight that lies elsewhere, a channel that was multiplied: each shows. Whether folding itself is right is the
// first net's (deployed-form.ts).
import { foldLayer } from '../network/fold.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { weightLayout } from '../network/weight-layout.ts';
import type { ScopeCheckpoint } from '../quantize/checkpoint.ts';
import { deployLayer, weightScalesOf } from '../quantize/deploy.ts';
import type { DeployedLayer } from '../quantize/deploy.ts';
import type { Placement } from '../quantize/placement.ts';
import { limits } from '../quantize/scheme.ts';
import type { Format } from '../quantize/scheme.ts';

const ULPS = 4;

export interface WeightsOnGrid {
  /** Quantised weights, and how many of them lie beyond what rounding to the format's ends explains. */
  readonly values: number;
  readonly clipped: number;
  /** Quantiser of a weight → the share of it that is clipped; without those where nothing is. */
  readonly shares: ReadonlyMap<string, number>;
  /** The first weight that is not where it must be, in words. */
  readonly problem?: string;
}

/** @param learned whether the scales were trained: what they span is then theirs to say, and only the clipped share tells. */
export function weightsOnGrid(
  { units }: Pick<Network, 'units'>,
  placement: Placement,
  checkpoint: Pick<ScopeCheckpoint, 'scope' | 'parameters' | 'quant'>,
  learned: boolean,
  deploy: typeof deployLayer = deployLayer,
): WeightsOnGrid {
  let [values, clipped] = [0, 0];
  const shares = new Map<string, number>();
  for (const unit of units) {
    if (unit.kind !== 'layer' || unit.scope !== checkpoint.scope) continue;
    const format = placement.weights.get(unit.quantiser)?.format;
    const scales = checkpoint.quant?.weights.get(unit.quantiser);
    if (format === undefined || scales === undefined) continue;
    const layer = deploy(unit, checkpoint.parameters, scales, format, undefined);
    const own = learned ? layer.weightScales : weightScalesOf(unit, checkpoint.parameters, format);
    const found = onGrid(unit, checkpoint.parameters, layer, own, format);
    values += layer.weights.length;
    if (found.problem !== undefined) return { values, clipped, shares, problem: found.problem };
    clipped += found.clipped;
    if (found.clipped > 0) shares.set(unit.quantiser, found.clipped / layer.weights.length);
  }
  return { values, clipped, shares };
}

/** Whether the scales are those of the weights as they are; scales that are not were learned, or are wrong. */
export function scalesAreDerived(
  { units }: Pick<Network, 'units'>,
  placement: Placement,
  { scope, parameters, quant }: Pick<ScopeCheckpoint, 'scope' | 'parameters' | 'quant'>,
): boolean {
  return units.every((unit) => {
    if (unit.kind !== 'layer' || unit.scope !== scope) return true;
    const format = placement.weights.get(unit.quantiser)?.format;
    const scales = quant?.weights.get(unit.quantiser);
    if (format === undefined || scales === undefined) return true;
    return weightScalesOf(unit, parameters, format).every((scale, channel) => scale === scales[channel]);
  });
}

function onGrid(
  unit: LayerUnit,
  parameters: ScopeCheckpoint['parameters'],
  { weights, weightShape }: DeployedLayer,
  scales: Float32Array,
  format: Format,
): { readonly clipped: number; readonly problem?: string } {
  const { weight } = foldLayer(unit, parameters);
  const { scaleOf } = weightLayout(unit.node, weight.shape);
  const { qmin, qmax } = limits(format);
  if (weights.length !== weight.data.length || weightShape.join() !== weight.shape.join())
    return { clipped: 0, problem: `weight "${unit.quantiser}" is deployed as [${weightShape.join(', ')}]` };
  let clipped = 0;
  for (let index = 0; index < weight.data.length; index++) {
    const [value, deployed] = [weight.data[index] as number, weights[index] as number];
    const channel = scaleOf(index);
    const scale = scales[channel] as number;
    const aim = Math.min(Math.max(value, qmin * scale), qmax * scale);
    if (value > (qmax + 0.5) * scale || value < (qmin - 0.5) * scale) clipped++;
    if (Math.abs(deployed - aim) <= scale / 2 + ULPS * ulpOf(Math.max(Math.abs(value), Math.abs(deployed)))) continue;
    return {
      clipped,
      problem: `weight "${unit.quantiser}" at index ${index} (channel ${channel}) is deployed as ${deployed.toPrecision(9)}, more than half a step of ${scale.toPrecision(6)} from its float ${value.toPrecision(9)}`,
    };
  }
  return { clipped };
}

/** The unit in the last place of a float32 number of this magnitude. */
function ulpOf(magnitude: number): number {
  return 2 ** (Math.max(Math.floor(Math.log2(Math.max(magnitude, 2 ** -126))), -126) - 23);
}
