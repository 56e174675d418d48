// Where quantisers sit, as a table per target, and which quantiser's scale a value carries. Boundary quantisers and the
// input's belong to the backbone; head outputs stay at high precision.
import { BACKBONE, NetworkError } from '../network/network.ts';
import type { LayerUnit, Network, Unit } from '../network/network.ts';
import { formatOf } from './scheme.ts';
import type { Format, Profile } from './scheme.ts';

export interface ActivationQuantizer {
  readonly kind: 'activation';
  /** The value it follows. */
  readonly value: string;
  readonly scope: string;
  readonly format: Format;
}

export interface WeightQuantizer {
  readonly kind: 'weight';
  readonly weight: string;
  readonly scope: string;
  readonly format: Format;
  readonly channels: number;
}

export interface Placement {
  readonly activations: ReadonlyMap<string, ActivationQuantizer>;
  readonly weights: ReadonlyMap<string, WeightQuantizer>;
  /** Value → the activation quantiser whose grid it lies on (followed through operators that keep the grid). */
  sourceOf(value: string): ActivationQuantizer | undefined;
}

/** Operators whose outputs lie on the grid of their first input, so that no quantiser follows them. */
const keepsGrid: ReadonlySet<string> = new Set(['Resize', 'MaxPool', 'Reshape', 'Transpose', 'Identity', 'Slice']);
/** Operators that get a quantiser of their own. */
const quantised: ReadonlySet<string> = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Concat',
  'Relu',
  'Sigmoid',
  'AveragePool',
  'GlobalAveragePool',
]);
const unsignedOutputs: ReadonlySet<string> = new Set(['Relu', 'Sigmoid']);

/**
 * @param profiles scope → profile; scopes without one stay float.
 * @throws NetworkError for an operator that the table does not know.
 */
export function placeQuantizers(network: Network, profiles: ReadonlyMap<string, Profile>): Placement {
  const outputs = new Set(Object.values(network.scopes.heads).flatMap((head) => head.outputs));
  const byOutput = new Map(network.units.map((unit) => [unit.output, unit]));
  const eightBit = valuesBeforeLastLayers(network, outputs, byOutput);
  const activations = new Map<string, ActivationQuantizer>();
  const weights = new Map<string, WeightQuantizer>();
  const nonNegative = new Set<string>();

  const place = (value: string, scope: string, first: boolean): void => {
    const profile = profiles.get(scope);
    if (profile === undefined) return;
    const wide = first || eightBit.has(value) ? profile.firstLast?.bits : undefined;
    const signed = !(profile.activations.unsignedAfterRelu && nonNegative.has(value));
    activations.set(value, {
      kind: 'activation',
      value,
      scope,
      format: formatOf(profile, Math.max(wide ?? 0, profile.activations.bits), signed),
    });
  };

  place(network.input.name, BACKBONE, true);
  for (const unit of network.units) {
    if (isNonNegative(unit, nonNegative)) nonNegative.add(unit.output);
    if (unit.kind === 'layer') placeWeight(unit);
    if (outputs.has(unit.output)) continue;
    if (unit.kind === 'layer' || quantised.has(opOf(unit))) place(unit.output, unit.scope, false);
    else if (!keepsGrid.has(opOf(unit))) {
      if (profiles.has(unit.scope))
        throw new NetworkError(`no place for a quantiser is known after operator ${opOf(unit)} ("${unit.output}")`);
    }
  }
  return { activations, weights, sourceOf };

  function placeWeight(unit: LayerUnit): void {
    const profile = profiles.get(unit.scope);
    if (profile === undefined) return;
    const edge = unit.input === network.input.name || outputs.has(unit.output);
    const bits = edge ? Math.max(profile.firstLast?.bits ?? 0, profile.weights.bits) : profile.weights.bits;
    const channels = network.graph.initializers.get(unit.weight)?.shape[0] ?? 0;
    weights.set(unit.weight, {
      kind: 'weight',
      weight: unit.weight,
      scope: unit.scope,
      format: formatOf(profile, bits, true),
      channels,
    });
  }

  function sourceOf(value: string): ActivationQuantizer | undefined {
    let current = value;
    for (;;) {
      const here = activations.get(current);
      if (here !== undefined) return here;
      const unit = byOutput.get(current);
      if (unit?.kind !== 'plain' || !keepsGrid.has(opOf(unit))) return undefined;
      current = (unit.nodes[0] as { readonly inputs: readonly string[] }).inputs[0] as string;
    }
  }
}

function valuesBeforeLastLayers(
  network: Network,
  outputs: ReadonlySet<string>,
  byOutput: ReadonlyMap<string, Unit>,
): ReadonlySet<string> {
  const values = new Set<string>();
  for (const unit of network.units) {
    if (unit.kind === 'layer' && outputs.has(unit.output) && byOutput.get(unit.input)?.scope === unit.scope)
      values.add(unit.input);
  }
  return values;
}

function opOf(unit: Unit): string {
  return unit.kind === 'layer' ? (unit.activation?.op ?? 'Conv') : (unit.nodes.at(-1) as { readonly op: string }).op;
}

function isNonNegative(unit: Unit, known: ReadonlySet<string>): boolean {
  if (unsignedOutputs.has(opOf(unit))) return true;
  if (unit.kind === 'layer') return false;
  const inputs = (unit.nodes[0] as { readonly inputs: readonly string[] }).inputs;
  if (keepsGrid.has(opOf(unit))) return known.has(inputs[0] as string);
  return opOf(unit) === 'Concat' && inputs.every((input) => known.has(input));
}
