// The exceptions of a profile, layer by layer: what name a layer has there, and which exceptions nothing would follow. Not for
// where quantisers sit: that is the placement's.
import { BACKBONE, NetworkError } from '../network/network.ts';
import type { Network, NetworkInput, Unit } from '../network/network.ts';
import type { LayerFormat, Profile } from './scheme.ts';

/** The weight's quantiser of a layer; of an operator without weights the value it makes. */
export function layerName(unit: Unit): string {
  return unit.kind === 'layer' ? unit.quantiser : unit.output;
}

/** What a profile says of one layer: under its own name, or under that of a weight which it shares with others. */
export function exceptionOf({ layers = {} }: Profile, from: Unit | NetworkInput): LayerFormat | undefined {
  if (!('kind' in from)) return layers[from.name];
  return layers[layerName(from)] ?? (from.kind === 'layer' ? layers[from.weight] : undefined);
}

/** A layer that shares its weight has two names: its own, and the weight's, which is that of all its uses. */
function namesOf(unit: Unit): ReadonlySet<string> {
  return new Set(unit.kind === 'layer' ? [unit.quantiser, unit.weight] : [unit.output]);
}

/** Values behind a layer's name that may have a quantiser: a layer's, before and after its activation. */
export function valuesOfUnit(unit: Unit): readonly string[] {
  return unit.kind === 'layer' ? [...new Set([unit.linear, unit.output])] : unit.outputs;
}

/** Names of the quantisers that were placed. */
interface Placed {
  readonly weights: ReadonlyMap<string, unknown>;
  readonly activations: ReadonlyMap<string, unknown>;
}

/**
 * Layers of other scopes are let be: one profile may serve several scopes.
 * @throws NetworkError for a name that the network does not have, or a quantiser that the layer does not have.
 */
export function refuseIdleExceptions(network: Network, scope: string, profile: Profile, placed: Placed): void {
  const units = new Map<string, Unit[]>();
  for (const unit of network.units)
    for (const name of namesOf(unit)) units.set(name, [...(units.get(name) ?? []), unit]);
  for (const [name, { weights, activations }] of Object.entries(profile.layers ?? {})) {
    const isInput = name === network.input.name;
    const named = units.get(name) ?? [];
    const [unit] = named;
    if (unit === undefined && !isInput) {
      const own = [...units].filter(([, [known]]) => known?.scope === scope).map(([known]) => known);
      throw new NetworkError(
        `the profile has an exception for layer "${name}", which the model does not have; scope "${scope}" has: ${own.join(', ')}`,
        'Name a layer that the model has under `layers` in the profile.',
      );
    }
    if ((unit?.scope ?? BACKBONE) !== scope) continue;
    const refuse = (what: string): never => {
      throw new NetworkError(
        `the profile gives layer "${name}" ${what}, but there is no such quantiser`,
        'Take this exception out of `layers` in the profile.',
      );
    };
    if (weights !== undefined && !placed.weights.has(name)) refuse(`${weights.bits}-bit weights`);
    const values = unit === undefined ? [name] : named.flatMap(valuesOfUnit);
    if (activations !== undefined && !values.some((value) => placed.activations.has(value)))
      refuse(`${activations.bits}-bit activations`);
  }
}
