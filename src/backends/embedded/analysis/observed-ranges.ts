// What the values of a scope range over on the analysed images, and the scales of any format that follow from it. A scope
// that was calibrated in the analysed profile keeps the scales it has.
import { activationChannels, emptyRanges, widen, type ChannelRanges } from '../../../qat/analysis/channel-ranges.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import type { QuantState, Range } from '../../../qat/quantize/checkpoint.ts';
import { weightScalesOf } from '../../../qat/quantize/deploy.ts';
import { Observation } from '../../../qat/quantize/observation.ts';
import { findRange } from '../../../qat/quantize/observers.ts';
import type { Observer } from '../../../qat/quantize/observers.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import type { Format, Profile } from '../../../qat/quantize/scheme.ts';
import { canonicalJson } from '../../../support/canonical-json.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { JobError } from '../job-error.ts';
import type { Subject } from './subject.ts';

export interface Observed {
  readonly observations: ReadonlyMap<string, Observation>;
  readonly channels: ReadonlyMap<string, ChannelRanges>;
  /** Without the batch axis. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** @param quantised values whose scales are wanted; @param shown values whose channels and shapes are. */
export async function observeValues(
  subject: Subject,
  quantised: readonly string[],
  shown: readonly string[],
): Promise<Observed> {
  const observations = new Map(quantised.map((value) => [value, new Observation()]));
  const channels = new Map<string, ChannelRanges>();
  const shapes = new Map<string, readonly number[]>();
  const values = [...new Set([...quantised, ...shown])];
  await subject.observe(values, (seen) => {
    for (const [value, observation] of observations) observation.observe(seen.get(value)?.data as Float32Array);
    for (const value of shown) {
      const { shape, data } = seen.get(value) as Tensor;
      const axis = activationChannels(shape);
      const ranges = channels.get(value) ?? emptyRanges(axis.channels);
      widen(ranges, data as Float32Array, axis.channelOf);
      channels.set(value, ranges);
      shapes.set(value, shape.slice(1));
    }
  });
  return { observations, channels, shapes };
}

/** Scales by format, each found once. */
export class Scales {
  private readonly subject: Subject;
  private readonly observed: Observed;
  private readonly observer: Observer;
  private readonly activations = new Map<string, Range>();
  private readonly weights = new Map<string, Float32Array>();

  /** @param saved scales of the scope in the profile that `placement` follows. */
  constructor(
    subject: Subject,
    observed: Observed,
    observer: Observer,
    placement: Placement,
    saved: QuantState | undefined,
  ) {
    this.subject = subject;
    this.observed = observed;
    this.observer = observer;
    for (const [value, range] of saved?.activations ?? []) {
      const format = placement.ranges.get(value)?.format;
      if (format !== undefined) this.activations.set(keyOf(value, format), range);
    }
  }

  /** @param placement of `profile`. */
  stateFor(profile: Profile, placement: Placement): QuantState {
    const { network, scope, scopes } = this.subject.settings;
    const { parameters } = (scopes.get(scope) as ScopeForward).checkpoint;
    const activations = new Map<string, Range>();
    for (const [value, { scope: owner, format }] of placement.ranges)
      if (owner === scope) activations.set(value, this.activation(value, format));
    const weights = new Map<string, Float32Array>();
    for (const unit of network.units) {
      const format = unit.kind === 'layer' ? placement.weights.get(unit.quantiser)?.format : undefined;
      if (unit.kind !== 'layer' || unit.scope !== scope || format === undefined) continue;
      const key = keyOf(unit.quantiser, format);
      const scales = this.weights.get(key) ?? weightScalesOf(unit, parameters, format);
      this.weights.set(key, scales);
      weights.set(unit.quantiser, scales);
    }
    return { profile, activations, weights };
  }

  private activation(value: string, format: Format): Range {
    const key = keyOf(value, format);
    const known = this.activations.get(key);
    if (known !== undefined) return known;
    const seen = this.observed.observations.get(value);
    const range = seen === undefined ? undefined : findRange(seen, this.observer, format)?.range;
    if (range === undefined)
      throw new JobError({ reason: 'empty-scale', message: `activation "${value}" showed no finite value` });
    this.activations.set(key, range);
    return range;
  }
}

function keyOf(name: string, format: Format): string {
  return canonicalJson([name, { ...format }]);
}
