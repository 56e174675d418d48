// `calibrate`: observes every scope in FLOAT on the scopes it stands on, which are quantised already, and sets all scales.
// Weights stay as they are.
import { ancestorsOf } from '../network/network.ts';
import type { Network } from '../network/network.ts';
import type { Parameters } from '../network/fold.ts';
import { buildReference } from '../network/reference.ts';
import type { ScopeForward } from '../network/reference.ts';
import { encodeModel } from '../onnx/codec.ts';
import { initialCheckpoint, scopeDigest } from '../quantize/checkpoint.ts';
import type { Range, ScopeCheckpoint } from '../quantize/checkpoint.ts';
import { channelProblems } from '../quantize/channel-problems.ts';
import type { ChannelsOfWeights } from '../quantize/channel-problems.ts';
import { weightScalesOf } from '../quantize/deploy.ts';
import { Observation } from '../quantize/observation.ts';
import { checkObserver, findRange } from '../quantize/observers.ts';
import type { Observer } from '../quantize/observers.ts';
import { placeQuantizers } from '../quantize/placement.ts';
import type { Placement } from '../quantize/placement.ts';
import { rangeProblem } from '../quantize/scale-problems.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import type { Tensor } from '../../support/tensor.ts';
import type { Prepared } from './prepare.ts';

export interface CalibrateOptions {
  /** By default min-max. */
  readonly observer?: Observer;
  /** By default 1. */
  readonly threads?: number;
}

/** A network with all its scales: every scope in state VALIDATION. */
export interface Quantised {
  readonly network: Network;
  /** Scope → its weights, ranges and scales. */
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  /** Weight → its output channels that are all zero, which give their bias alone. */
  readonly zeroChannels: ChannelsOfWeights;
}

/** An activation that showed no finite value, or nothing but zeros, or no data to show it. */
export class CalibrationError extends Error {
  override readonly name = 'CalibrationError';
}

/**
 * @param batches images [N, C, H, W], normalised as in training; all of one size.
 * @throws CalibrationError naming the activation that stayed without a range.
 * @throws ObserverError for an observer that cannot observe.
 */
export async function calibrate(
  { network, profiles }: Prepared,
  batches: readonly Tensor[],
  { observer = { kind: 'min-max' }, threads = 1 }: CalibrateOptions = {},
): Promise<Quantised> {
  checkObserver(observer);
  const scopes = new Map<string, ScopeForward>();
  const zeroChannels = new Map<string, readonly number[]>();
  for (const [scope, profile] of profiles) {
    const below = ancestorsOf(network.scopes, scope);
    const placement = placeQuantizers(
      network,
      new Map([...profiles].filter(([name]) => name === scope || below.includes(name))),
    );
    const checkpoint = initialCheckpoint(network, scope);
    const forward = new Map([...scopes].filter(([name]) => below.includes(name)));
    forward.set(scope, { state: 'FLOAT', checkpoint });
    const values = [...placement.ranges].flatMap(([value, { scope: owner }]) => (owner === scope ? [value] : []));
    const seen = await observe({ network, scopes: forward, values, threads }, batches);
    const activations = rangesOf(placement, seen, observer);
    const weights = weightScales(network, placement, scope, checkpoint.parameters);
    const { allZero } = channelProblems(network, checkpoint.parameters, weights);
    for (const [weight, channels] of allZero) zeroChannels.set(weight, channels);
    const backbone = scopes.get(below.at(-1) ?? '')?.checkpoint;
    const calibrated: ScopeCheckpoint = {
      ...checkpoint,
      state: 'calibrated',
      quant: { profile, activations, weights },
      ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone) }),
    };
    scopes.set(scope, { state: 'VALIDATION', checkpoint: calibrated });
  }
  return { network, scopes, zeroChannels };
}

interface Watched {
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  readonly values: readonly string[];
  readonly threads: number;
}

async function observe(
  { network, scopes, values, threads }: Watched,
  batches: readonly Tensor[],
): Promise<ReadonlyMap<string, Observation>> {
  const [first] = batches;
  if (first === undefined) throw new CalibrationError('there is no calibration batch');
  // A head of one layer has no quantiser of its own: it reads a boundary, and its output stays float.
  if (values.length === 0) return new Map();
  const graph = buildReference(network, { scopes, outputs: values, batch: first.shape[0] as number });
  const session = await createSession(encodeModel(graph), { threads, optimisation: 'disabled' });
  const observations = new Map(values.map((value) => [value, new Observation()]));
  for (const images of batches) {
    const found = await session.run(new Map([[network.input.name, images]]));
    for (const [value, observation] of observations)
      observation.observe(found.get(`out.${value}`)?.data as Float32Array);
  }
  await session.release();
  return observations;
}

function rangesOf(
  placement: Placement,
  seen: ReadonlyMap<string, Observation>,
  observer: Observer,
): ReadonlyMap<string, Range> {
  const ranges = new Map<string, Range>();
  for (const [value, observation] of seen) {
    const format = placement.ranges.get(value)?.format;
    const found = format === undefined ? undefined : findRange(observation, observer, format);
    if (found === undefined)
      throw new CalibrationError(
        `activation "${value}" showed no finite value (min ${observation.min}, max ${observation.max})`,
      );
    const problem = rangeProblem(found.range, format);
    if (problem !== undefined) throw new CalibrationError(`activation "${value}" ${problem}`);
    ranges.set(value, found.range);
  }
  return ranges;
}

function weightScales(
  network: Network,
  placement: Placement,
  scope: string,
  parameters: Parameters,
): ReadonlyMap<string, Float32Array> {
  const scales = new Map<string, Float32Array>();
  for (const unit of network.units) {
    if (unit.kind !== 'layer' || unit.scope !== scope) continue;
    const format = placement.weights.get(unit.weight)?.format;
    if (format !== undefined) scales.set(unit.weight, weightScalesOf(unit, parameters, format));
  }
  return scales;
}
