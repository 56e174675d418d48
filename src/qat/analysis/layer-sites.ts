// Where one layer of a scope can be quantised: its weights, and what it makes. What an analysis switches on and off one by one.
import { BACKBONE } from '../network/network.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import { layerName, valuesOfUnit } from '../quantize/layer-formats.ts';
import type { Placement } from '../quantize/placement.ts';

export interface LayerSite {
  /** As a profile's `layers` has it. */
  readonly name: string;
  /** Where the layer has weights. */
  readonly layer?: LayerUnit;
  /** Its values that have a quantiser: at most the one before and the one after its activation. */
  readonly activations: readonly string[];
}

/** In execution order, the image first; what has no quantiser is left out. */
export function layerSites(network: Network, placement: Placement, scope: string): readonly LayerSite[] {
  const placed = (values: readonly string[]): readonly string[] =>
    values.filter((value) => placement.activations.get(value)?.scope === scope);
  const { name } = network.input;
  const image: readonly LayerSite[] =
    scope === BACKBONE && placement.activations.has(name) ? [{ name, activations: [name] }] : [];
  const sites = network.units
    .filter((unit) => unit.scope === scope)
    .map((unit): LayerSite => {
      const activations = placed(valuesOfUnit(unit));
      return { name: layerName(unit), ...(unit.kind === 'layer' ? { layer: unit } : {}), activations };
    });
  return [...image, ...sites].filter(({ layer, activations }) => layer !== undefined || activations.length > 0);
}

/** The names of its quantisers: its weight's, its values'. */
export function quantisersOf({ layer, activations }: LayerSite): readonly string[] {
  return layer === undefined ? activations : [layer.quantiser, ...activations];
}
