// `calibrate`: observes every scope in FLOAT on the scopes it stands on, which are quantised already, and sets all scales.
// Weights stay as they are unless equalisation or bias correction is asked for.
import { ancestorsOf } from '../network/network.ts';
import type { LayerUnit, Network } from '../network/network.ts';
import type { ScopeForward } from '../network/reference.ts';
import { initialCheckpoint, scopeDigest } from '../quantize/checkpoint.ts';
import type { Range, ScopeCheckpoint } from '../quantize/checkpoint.ts';
import { channelProblems } from '../quantize/channel-problems.ts';
import type { ChannelsOfWeights } from '../quantize/channel-problems.ts';
import { scopeWeightScales } from '../quantize/deploy.ts';
import { checkObserver, findRanges } from '../quantize/observers.ts';
import type { Observer } from '../quantize/observers.ts';
import { placeQuantizers } from '../quantize/placement.ts';
import type { Placement } from '../quantize/placement.ts';
import { rangeProblem } from '../quantize/scale-problems.ts';
import { ScopeObserver } from '../quantize/scope-observer.ts';
import type { Observed } from '../quantize/scope-observer.ts';
import { alternating } from '../quantize/weighted-sets.ts';
import type { WeightedSet } from '../quantize/weighted-sets.ts';
import {
  correctableLayers,
  correctCheckpoint,
  equalisationProblem,
  equaliseCheckpoint,
} from '../transform/condition.ts';
import type { Equalised } from '../transform/equalise.ts';
import type { Tensor } from '../../support/tensor.ts';
import type { Prepared } from './prepare.ts';

/** One of several sets that are observed in turn, batch by batch. */
export interface CalibrationSet {
  /** Images [N, C, H, W], normalised as in training. */
  readonly batches: readonly Tensor[];
  /** How often each of its values counts in histograms and means; extremes know no weight. By default 1. */
  readonly weight?: number;
}

export interface CalibrateOptions {
  /** By default min-max. */
  readonly observer?: Observer;
  /** By default 1. */
  readonly threads?: number;
  /** Cross-layer equalisation of every scope before it is observed (Nagel et al. 2019). By default false. */
  readonly equalise?: boolean;
  /**
   * Takes back, in each layer's bias or batch norm, the mean shift of its output that rounding its weights makes (Nagel et al.
   * 2019). By default false.
   */
  readonly biasCorrection?: boolean;
}

/** A network with all its scales: every scope in state VALIDATION. */
export interface Quantised {
  readonly network: Network;
  /** Scope → its weights, ranges and scales; its checkpoint's `transformations` declare what changed the weights. */
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  /** Weight → its output channels that are all zero, which give their bias alone. */
  readonly zeroChannels: ChannelsOfWeights;
  /** Scope → weights of the two layers of every equalised pair; empty where a scope has none, or nothing was to be equalised. */
  readonly equalisedPairs: ReadonlyMap<string, Equalised['pairs']>;
  /** Weights of layers that bias correction left alone: no bias of their own, or padding that is not written out. */
  readonly uncorrected: readonly string[];
}

/** Data that shows an activation nothing to take a range from, or is no data; weights that cannot be equalised in float32. */
export class CalibrationError extends Error {
  override readonly name = 'CalibrationError';
}

/**
 * @param data batches of images [N, C, H, W], normalised as in training, or several sets of them; all of one size.
 * @throws CalibrationError naming the activation that stayed without a range, the set or batch that cannot be observed, or the
 * output that equalisation would change by more than the rounding of float32.
 * @throws ObserverError for an observer that cannot observe.
 */
export async function calibrate(
  { network, profiles }: Prepared,
  data: readonly Tensor[] | readonly CalibrationSet[],
  options: CalibrateOptions = {},
): Promise<Quantised> {
  if (options.observer !== undefined) checkObserver(options.observer);
  const sets = checkedSets(data);
  const scopes = new Map<string, ScopeForward>();
  const zeroChannels = new Map<string, readonly number[]>();
  const equalisedPairs = new Map<string, Equalised['pairs']>();
  const uncorrected: string[] = [];
  for (const [scope, profile] of profiles) {
    const below = ancestorsOf(network.scopes, scope);
    const ofScopes = new Map([...profiles].filter(([name]) => name === scope || below.includes(name)));
    const standsOn = new Map([...scopes].filter(([name]) => below.includes(name)));
    const place: Place = { network, placement: placeQuantizers(network, ofScopes), standsOn, sets };
    const { checkpoint, pairs, skipped, ...quant } = await calibrateScope(place, scope, options);
    equalisedPairs.set(scope, pairs);
    uncorrected.push(...skipped);
    const { allZero } = channelProblems(network, checkpoint.parameters, quant.weights);
    for (const [weight, channels] of allZero) zeroChannels.set(weight, channels);
    const backbone = scopes.get(below.at(-1) ?? '')?.checkpoint;
    const calibrated: ScopeCheckpoint = {
      ...checkpoint,
      state: 'calibrated',
      quant: { profile, ...quant },
      ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone) }),
    };
    scopes.set(scope, { state: 'VALIDATION', checkpoint: calibrated });
  }
  return { network, scopes, zeroChannels, equalisedPairs, uncorrected };
}

/** A scope among others, and the data that reaches it. */
interface Place {
  readonly network: Network;
  readonly placement: Placement;
  readonly standsOn: ReadonlyMap<string, ScopeForward>;
  readonly sets: readonly WeightedSet<Tensor>[];
}

interface Calibrated {
  /** With the weights that calibration leaves. */
  readonly checkpoint: ScopeCheckpoint;
  readonly activations: ReadonlyMap<string, Range>;
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly pairs: Equalised['pairs'];
  readonly skipped: readonly string[];
}

async function calibrateScope(
  place: Place,
  scope: string,
  { observer = { kind: 'min-max' }, threads = 1, equalise = false, biasCorrection = false }: CalibrateOptions,
): Promise<Calibrated> {
  const { network, placement } = place;
  const float = initialCheckpoint(network, scope);
  const observed = equalise ? equaliseCheckpoint(network, float) : { checkpoint: float, pairs: [] };
  const { checkpoint, pairs } = observed;
  if (equalise) await refuseOtherFunction(place, [float, checkpoint], threads);
  const seen = await observe(place, checkpoint, biasCorrection ? correctableLayers(network, scope) : [], threads);
  const activations = rangesOf(placement, seen, observer);
  const weights = scopeWeightScales(network, placement, scope, checkpoint.parameters);
  const found = { checkpoint, activations, weights, pairs, skipped: [] };
  if (!biasCorrection) return found;
  const corrected = correctCheckpoint(network, checkpoint, placement, weights, seen.inputMeans);
  return { ...found, checkpoint: corrected.checkpoint, skipped: corrected.skipped };
}

function checkedSets(data: readonly Tensor[] | readonly CalibrationSet[]): readonly WeightedSet<Tensor>[] {
  const given = data.some((entry) => 'batches' in entry)
    ? (data as readonly CalibrationSet[])
    : [{ batches: data as readonly Tensor[] }];
  const sets = given.map(({ batches, weight = 1 }) => ({ batches, weight }));
  const nameOf = (index: number): string => (sets.length === 1 ? '' : ` of set ${index + 1}`);
  const size = sets[0]?.batches[0]?.shape.join(', ');
  for (const [index, { batches, weight }] of sets.entries()) {
    if (batches.length === 0)
      throw new CalibrationError(
        sets.length === 1 ? 'there is no calibration batch' : `there is no batch${nameOf(index)}`,
      );
    if (!(weight > 0 && Number.isFinite(weight)))
      throw new CalibrationError(`the weight${nameOf(index)} is ${weight}, which is not above 0 and finite`);
    const other = batches.findIndex(({ shape }) => shape.join(', ') !== size);
    if (other >= 0)
      throw new CalibrationError(
        `batch ${other + 1}${nameOf(index)} is [${batches[other]?.shape.join(', ')}], the first is [${size}]`,
      );
  }
  return sets;
}

async function refuseOtherFunction(
  { network, standsOn, sets }: Place,
  checkpoints: readonly [before: ScopeCheckpoint, after: ScopeCheckpoint],
  threads: number,
): Promise<void> {
  const images = sets[0]?.batches[0] as Tensor;
  const problem = await equalisationProblem(network, checkpoints, standsOn, images, threads);
  if (problem !== undefined) throw new CalibrationError(problem);
}

async function observe(
  { network, placement, standsOn, sets }: Place,
  checkpoint: ScopeCheckpoint,
  layers: readonly LayerUnit[],
  threads: number,
): Promise<Observed> {
  const { scope } = checkpoint;
  const observer = await ScopeObserver.start({
    network,
    scopes: new Map<string, ScopeForward>([...standsOn, [scope, { state: 'FLOAT', checkpoint }]]),
    values: [...placement.ranges].flatMap(([value, { scope: owner }]) => (owner === scope ? [value] : [])),
    layers,
    batch: sets[0]?.batches[0]?.shape[0] as number,
    threads,
  });
  for (const { batch, weight } of alternating(sets)) await observer.observe(batch, weight);
  await observer.release();
  return observer.observed();
}

function rangesOf(placement: Placement, { activations }: Observed, observer: Observer): ReadonlyMap<string, Range> {
  const found = findRanges(placement, activations, observer);
  if (!found.ok) {
    const { value, min, max } = found.error;
    throw new CalibrationError(`activation "${value}" showed no finite value (min ${min}, max ${max})`);
  }
  const ranges = new Map<string, Range>();
  for (const [value, { range }] of found.value) {
    const problem = rangeProblem(range, placement.ranges.get(value)?.format);
    if (problem !== undefined) throw new CalibrationError(`activation "${value}" ${problem}`);
    ranges.set(value, range);
  }
  return ranges;
}
