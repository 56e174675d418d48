// Where quantisers sit: the table of a profile's target applied to a network, and which quantiser's grid a value lies on.
// Boundary quantisers and the input's belong to the scope that makes them, never to a head that reads them; head outputs
// stay at high precision.
import { boundaryOf, BACKBONE, NetworkError, scopeOrder } from '../network/network.ts';
import type { LayerUnit, Network, NetworkInput, PlainUnit, Unit } from '../network/network.ts';
import { readsOf } from '../network/units.ts';
import { weightLayout } from '../network/weight-layout.ts';
import { exceptionOf, refuseIdleExceptions } from './layer-formats.ts';
import { isNonNegative, tableKey } from './operator-facts.ts';
import { refuseFormats } from './refused-formats.ts';
import { formatOf } from './scheme.ts';
import type { Format, Profile } from './scheme.ts';
import type { OutputRule, TargetTable } from './targets/table.ts';
import { DEFAULT_TARGET, targetTables } from './targets/tables.ts';

export interface ActivationQuantizer {
  readonly kind: 'activation';
  /** The value it follows. */
  readonly value: string;
  /** The value whose observed range it uses: `value` itself, or what it is put together with others into. */
  readonly range: string;
  readonly scope: string;
  readonly format: Format;
}

export interface WeightQuantizer {
  readonly kind: 'weight';
  readonly weight: string;
  readonly scope: string;
  readonly format: Format;
  /** Scales: channels along the weight's channel axis. */
  readonly channels: number;
}

export interface Placement {
  readonly activations: ReadonlyMap<string, ActivationQuantizer>;
  /** Weight quantisers by name, which is the weight's unless layers use one weight in different ways. */
  readonly weights: ReadonlyMap<string, WeightQuantizer>;
  /** Every observed range, by its value → a quantiser that uses it. */
  readonly ranges: ReadonlyMap<string, ActivationQuantizer>;
  /** Value → the activation quantiser whose grid it lies on (followed through operators that keep the grid). */
  sourceOf(value: string): ActivationQuantizer | undefined;
  /** The table that the scope's profile names. */
  tableOf(scope: string): TargetTable;
}

/**
 * @param profiles scope → profile; scopes without one stay float.
 * @throws NetworkError for an operator that the table does not know, or a format that the target does not have.
 */
export function placeQuantizers(network: Network, profiles: ReadonlyMap<string, Profile>): Placement {
  return new Placing(network, profiles).placement();
}

class Placing {
  private readonly activations = new Map<string, ActivationQuantizer>();
  private readonly weights = new Map<string, WeightQuantizer>();
  private readonly nonNegative = new Set<string>();
  private readonly network: Network;
  private readonly profiles: ReadonlyMap<string, Profile>;
  private readonly outputs: ReadonlySet<string>;
  private readonly boundaries: ReadonlySet<string>;
  private readonly byOutput: ReadonlyMap<string, Unit>;
  private readonly readers = new Map<string, Unit[]>();
  private readonly eightBit: ReadonlySet<string>;
  private readonly fusedIntoAdd: ReadonlySet<string>;
  /** Unit that puts values of one scale together → the value whose range gives the scale. */
  private readonly sharing: ReadonlyMap<Unit, string>;

  constructor(network: Network, profiles: ReadonlyMap<string, Profile>) {
    this.network = network;
    this.profiles = profiles;
    const { scopes, units, graph } = network;
    this.outputs = new Set(Object.values(scopes.heads).flatMap((head) => head.outputs));
    this.boundaries = new Set(scopeOrder(scopes).flatMap((scope) => boundaryOf(scopes, scope)));
    this.byOutput = new Map(units.flatMap((unit) => outputsOf(unit).map((output) => [output, unit] as const)));
    for (const unit of units)
      for (const value of readsOf(graph, unit)) this.readers.set(value, [...(this.readers.get(value) ?? []), unit]);
    this.eightBit = this.valuesBeforeLastLayers();
    this.fusedIntoAdd = this.layersFusedIntoAdd();
    this.sharing = this.unitsThatShare();
  }

  placement(): Placement {
    const { network, profiles } = this;
    for (const [scope, profile] of profiles) refuseFormats(scope, profile, tableOf(profile));
    let beforeImage = network.normalised !== network.input.name;
    if (!beforeImage) this.place(network.input.name, network.input, BACKBONE, true);
    for (const unit of network.units) {
      this.noteNonNegative(unit);
      if (unit.kind === 'layer') this.placeWeight(unit);
      if (unit.output === network.normalised) this.place(unit.output, unit, BACKBONE, true);
      else if (!beforeImage && profiles.has(unit.scope)) this.placeAfter(unit);
      if (unit.output === network.normalised) beforeImage = false;
    }
    this.shareScales();
    const { activations, weights } = this;
    const placement: Placement = {
      activations,
      weights,
      ranges: new Map([...activations.values()].map((quantizer) => [quantizer.range, quantizer])),
      sourceOf: (value) => this.sourceOf(value),
      tableOf: (scope) => tableOf(profiles.get(scope)),
    };
    for (const [scope, profile] of profiles) refuseIdleExceptions(network, scope, profile, placement);
    return placement;
  }

  private placeAfter(unit: Unit): void {
    if (unit.kind === 'layer' && unit.activation !== undefined && !this.fuses(unit)) this.placeAt(unit.linear, unit);
    if (!this.outputs.has(unit.output)) this.placeAt(unit.output, unit);
  }

  private placeAt(value: string, unit: Unit): void {
    const rule = this.ruleOf(unit);
    if (this.fusedIntoAdd.has(value)) return;
    if (rule === 'quantiser' || (rule === 'float' && this.isReadAsInteger(value)))
      this.place(value, unit, unit.scope, false);
  }

  private ruleOf(unit: Unit): OutputRule {
    const rule = this.tableRule(unit);
    return rule === 'shares-scale' && !this.sharing.has(unit) ? 'quantiser' : rule;
  }

  /** @throws NetworkError for an operator that the target's table does not know. */
  private tableRule(unit: Unit): OutputRule {
    const profile = this.profiles.get(unit.scope);
    const table = tableOf(profile);
    const key = tableKey(this.network.graph, unit);
    const islands = profile?.floatIslands ?? [];
    if (islands.includes(key) || islands.includes(unit.output)) return 'float';
    const rule = table.outputs[key];
    if (rule !== undefined) return rule;
    throw new NetworkError(
      `no place for a quantiser is known after operator ${key} ("${unit.output}") on target ${table.target}; to keep it float, add "${key}" to the profile's floatIslands, or cut the model before it`,
      'Add the operator to `floatIslands` in the profile, or import the model up to this node.',
    );
  }

  /** Whether the value must lie on a grid although its operator leaves it float. */
  private isReadAsInteger(value: string): boolean {
    if (this.boundaries.has(value)) return true;
    return (this.readers.get(value) ?? []).some((unit) => {
      if (unit.kind === 'layer') return true;
      if (!this.profiles.has(unit.scope)) return false;
      const rule = this.ruleOf(unit);
      if (rule === 'keeps-grid') return outputsOf(unit).some((output) => this.isReadAsInteger(output));
      return rule === 'quantiser' || rule === 'shares-scale';
    });
  }

  private fuses(unit: LayerUnit): boolean {
    return tableOf(this.profiles.get(unit.scope)).fusedActivations.has(unit.activation?.op ?? '');
  }

  private place(value: string, from: Unit | NetworkInput, scope: string, first: boolean): void {
    const profile = this.profiles.get(scope);
    if (profile === undefined) return;
    const wide = first || this.eightBit.has(value) ? profile.firstLast?.bits : undefined;
    const signed = !(profile.activations.unsignedAfterRelu && this.nonNegative.has(value));
    const bits = exceptionOf(profile, from)?.activations?.bits ?? Math.max(wide ?? 0, profile.activations.bits);
    const format = formatOf(profile, bits, signed);
    this.activations.set(value, { kind: 'activation', value, range: value, scope, format });
  }

  private placeWeight(unit: LayerUnit): void {
    const profile = this.profiles.get(unit.scope);
    if (profile === undefined) return;
    const first = unit.input === this.network.normalised;
    const wide = first || this.outputs.has(unit.output) ? (profile.firstLast?.bits ?? 0) : 0;
    const bits = exceptionOf(profile, unit)?.weights?.bits ?? Math.max(wide, profile.weights.bits);
    const shape = this.network.graph.initializers.get(unit.weight)?.shape ?? [];
    this.weights.set(unit.quantiser, {
      kind: 'weight',
      weight: unit.weight,
      scope: unit.scope,
      format: formatOf(profile, bits, true),
      channels: weightLayout(unit.node, shape).scales,
    });
  }

  /** Quantisers of what a sharing operator puts together use the range of the whole. */
  private shareScales(): void {
    for (const [unit, range] of this.sharing) {
      const sources = readsOf(this.network.graph, unit).flatMap((value) => this.sourceOf(value) ?? []);
      const signed = sources.some(({ format }) => format.signed);
      const bits = Math.max(...sources.map(({ format }) => format.bits));
      for (const source of sources)
        this.activations.set(source.value, { ...source, range, format: { ...source.format, bits, signed } });
    }
  }

  /** Only values of one scope can take one scale (another scope's are frozen), and a value can take only one. */
  private unitsThatShare(): ReadonlyMap<Unit, string> {
    const sharing = new Map<Unit, string>();
    const claimed = new Map<string, string>();
    // Last first, so that what is put together twice uses the outermost range.
    for (const unit of [...this.network.units].reverse()) {
      if (unit.kind === 'layer' || !this.profiles.has(unit.scope) || this.outputs.has(unit.output)) continue;
      if (this.tableRule(unit) !== 'shares-scale') continue;
      const range = claimed.get(unit.output) ?? unit.output;
      const makers = readsOf(this.network.graph, unit).map((value) => this.makerOf(value));
      const free = makers.every(
        (maker) => maker?.scope === unit.scope && (claimed.get(maker.output) ?? range) === range,
      );
      if (!free) continue;
      for (const maker of makers) claimed.set(maker?.output ?? '', range);
      sharing.set(unit, range);
    }
    return sharing;
  }

  /** The unit that computes a value, before operators that only move it. */
  private makerOf(value: string): Unit | undefined {
    let unit = this.byOutput.get(value);
    while (unit?.kind === 'plain' && this.profiles.has(unit.scope) && this.tableRule(unit) === 'keeps-grid')
      unit = this.byOutput.get(firstInput(unit));
    return unit;
  }

  private sourceOf(value: string): ActivationQuantizer | undefined {
    let current = value;
    for (;;) {
      const here = this.activations.get(current);
      if (here !== undefined) return here;
      const unit = this.byOutput.get(current);
      if (unit?.kind !== 'plain' || !this.profiles.has(unit.scope)) return undefined;
      const rule = this.ruleOf(unit);
      if (rule !== 'keeps-grid' && rule !== 'shares-scale') return undefined;
      current = firstInput(unit);
    }
  }

  /** Residual branches that a layer's kernel adds: of an Add's operands the layer that is computed last. */
  private layersFusedIntoAdd(): ReadonlySet<string> {
    const fused = new Set<string>();
    const position = new Map(this.network.units.map((unit, index) => [unit.output, index]));
    for (const unit of this.network.units) {
      if (unit.kind !== 'plain' || unit.op !== 'Add' || !tableOf(this.profiles.get(unit.scope)).fusesAdd) continue;
      const reads = readsOf(this.network.graph, unit);
      const candidates = reads.filter((value) => {
        const maker = this.byOutput.get(value);
        const alone = this.readers.get(value)?.length === 1 && !this.boundaries.has(value);
        return maker?.kind === 'layer' && maker.activation === undefined && maker.scope === unit.scope && alone;
      });
      const last = candidates.sort((left, right) => (position.get(left) ?? 0) - (position.get(right) ?? 0)).at(-1);
      if (last !== undefined && reads.length === 2) fused.add(last);
    }
    return fused;
  }

  private valuesBeforeLastLayers(): ReadonlySet<string> {
    const values = new Set<string>();
    for (const unit of this.network.units) {
      if (unit.kind === 'layer' && this.outputs.has(unit.output) && this.byOutput.get(unit.input)?.scope === unit.scope)
        values.add(unit.input);
    }
    return values;
  }

  private noteNonNegative(unit: Unit): void {
    if (!isNonNegative(this.network.graph, unit, this.nonNegative)) return;
    for (const output of outputsOf(unit)) this.nonNegative.add(output);
  }
}

function tableOf(profile: Profile | undefined): TargetTable {
  return targetTables[profile?.target ?? DEFAULT_TARGET];
}

function outputsOf(unit: Unit): readonly string[] {
  return unit.kind === 'plain' ? unit.outputs : [unit.output];
}

function firstInput(unit: PlainUnit): string {
  return (unit.nodes[0] as { readonly inputs: readonly string[] }).inputs[0] as string;
}
