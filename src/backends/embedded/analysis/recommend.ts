// A mixed-precision profile within a budget: exceptions for the layers that gain most, found by measuring whole profiles in
// their deployed form, and measured once more beside the plain and the widest profile.
import { costOf } from '../../../qat/analysis/cost.ts';
import type { FormatCost, LayerWork } from '../../../qat/analysis/cost.ts';
import type { LayerSite } from '../../../qat/analysis/layer-sites.ts';
import { searchFormats } from '../../../qat/analysis/search.ts';
import type { Combination } from '../../../qat/analysis/search.ts';
import type { Network } from '../../../qat/network/network.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import type { LayerFormat, Profile } from '../../../qat/quantize/scheme.ts';
import { JobError } from '../job-error.ts';
import type { Scales } from './observed-ranges.ts';
import type { Effect, Subject } from './subject.ts';

export interface RecommendSettings {
  /** Wider formats that a layer may have. */
  readonly weights: readonly number[];
  readonly activations: readonly number[];
  readonly budget:
    | { readonly kind: 'layers'; readonly most: number }
    | { readonly kind: 'weight-bits'; readonly mean: number }
    | { readonly kind: 'bit-operations'; readonly factor: number };
  readonly measurements: number;
}

export interface Recommendation {
  readonly profile: Profile;
  /** In the unit of the budget. */
  readonly cost: { readonly start: number; readonly limit: number; readonly chosen: number };
  readonly measured: number;
  readonly cutShort: boolean;
  readonly effects: { readonly start: Effect; readonly chosen: Effect; readonly widest: Effect };
}

export interface Asked {
  readonly subject: Subject;
  readonly settings: RecommendSettings;
  readonly profile: Profile;
  readonly sites: readonly LayerSite[];
  readonly works: readonly LayerWork[];
  readonly scales: Scales;
  placementOf(profile: Profile): Placement;
  /** Those that are on: all, or by name where a float backbone leaves biases without a grid. */
  readonly quantisers: readonly string[] | undefined;
}

export async function recommend(asked: Asked, onMeasured: (done: number) => void): Promise<Recommendation> {
  const { settings, subject, scales } = asked;
  const options = asked.sites.map((site) => optionsOf(site, asked.placementOf(asked.profile), settings));
  const profileOf = (combination: Combination): Profile => withExceptions(asked, options, combination);
  const cost = costOfBudget(asked, profileOf);
  const effectOf = async (combination: Combination): Promise<Effect> => {
    const candidate = profileOf(combination);
    return subject.effectOf(scales.stateFor(candidate, asked.placementOf(candidate)), asked.quantisers);
  };
  const [start, limit] = [cost(options.map(() => 0)), limitOf(asked)];
  if (start > limit)
    throw new JobError({
      reason: 'settings',
      message: `the profile itself costs ${rounded(start)}, the budget of the recommendation is ${rounded(limit)}`,
      remedy: 'Start from a narrower profile, or raise the budget.',
    });
  let done = 0;
  const result = await searchFormats({
    options: options.map((list) => list.length),
    measure: async (combination) => {
      const { noise } = await effectOf(combination);
      onMeasured(++done);
      return noise;
    },
    costOf: cost,
    budget: limit,
    measurements: settings.measurements,
  });
  return {
    profile: profileOf(result.best.combination),
    cost: { start, limit, chosen: result.best.cost },
    measured: result.measured,
    cutShort: result.cutShort,
    effects: {
      start: await effectOf(result.start.combination),
      chosen: await effectOf(result.best.combination),
      widest: await effectOf(options.map((list) => list.length - 1)),
    },
  };
}

/** The first is none: the profile's own format. The last is the widest. */
function optionsOf(
  site: LayerSite,
  placement: Placement,
  { weights, activations }: RecommendSettings,
): readonly LayerFormat[] {
  const ownWeights = placement.weights.get(site.layer?.quantiser ?? '')?.format.bits;
  const ownActivations = Math.min(
    ...site.activations.map((value) => placement.activations.get(value)?.format.bits ?? 0),
  );
  const wider = (own: number | undefined, offered: readonly number[]): readonly (number | undefined)[] =>
    own === undefined ? [undefined] : [undefined, ...offered.filter((bits) => bits > own).toSorted((a, b) => a - b)];
  return wider(ownWeights, weights).flatMap((weightBits) =>
    wider(site.activations.length === 0 ? undefined : ownActivations, activations).map((bits) => ({
      ...(weightBits === undefined ? {} : { weights: { bits: weightBits } }),
      ...(bits === undefined ? {} : { activations: { bits } }),
    })),
  );
}

function withExceptions(
  { profile, sites }: Asked,
  options: readonly (readonly LayerFormat[])[],
  combination: Combination,
): Profile {
  const layers = new Map(Object.entries(profile.layers ?? {}));
  for (const [index, site] of sites.entries()) {
    const format = options[index]?.[combination[index] as number] ?? {};
    if (Object.keys(format).length > 0) layers.set(site.name, { ...layers.get(site.name), ...format });
  }
  return layers.size === 0 ? profile : { ...profile, layers: Object.fromEntries(layers) };
}

/** In the unit of the budget: layers, bits per weight, or times what the profile itself costs. */
function costOfBudget(
  { settings, works, profile: base, placementOf }: Asked,
  profileOf: (combination: Combination) => Profile,
): (combination: Combination) => number {
  const { kind } = settings.budget;
  if (kind === 'layers') return (combination) => combination.filter((option) => option > 0).length;
  const field: keyof FormatCost = kind === 'weight-bits' ? 'weightBits' : 'bitOperations';
  const weights = works.reduce((sum, work) => sum + work.weights, 0);
  const unit = kind === 'weight-bits' ? weights : costOf(works, placementOf(base)).bitOperations;
  return (combination) => costOf(works, placementOf(profileOf(combination)))[field] / Math.max(unit, 1);
}

function limitOf({ settings: { budget } }: Asked): number {
  switch (budget.kind) {
    case 'layers':
      return budget.most;
    case 'weight-bits':
      return budget.mean;
    case 'bit-operations':
      return budget.factor;
  }
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** Placement of several scopes where only one's profile changes; each profile is placed once. */
export function placements(
  network: Network,
  scope: string,
  others: ReadonlyMap<string, Profile>,
): (profile: Profile) => Placement {
  const known = new Map<string, Placement>();
  return (profile) => {
    const key = JSON.stringify(profile);
    const placement = known.get(key) ?? placeQuantizers(network, new Map([...others, [scope, profile]]));
    known.set(key, placement);
    return placement;
  };
}
