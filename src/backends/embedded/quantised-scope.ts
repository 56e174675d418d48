// What the jobs on quantised scopes share: ranges of what was observed, sanity of scales, names of scopes.
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import type { Parameters } from '../../qat/network/fold.ts';
import type { Observation } from '../../qat/quantize/observation.ts';
import { findRanges } from '../../qat/quantize/observers.ts';
import type { FoundRange, Observer } from '../../qat/quantize/observers.ts';
import { channelProblems } from '../../qat/quantize/channel-problems.ts';
import type { ChannelsOfWeights } from '../../qat/quantize/channel-problems.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import { rangeProblem } from '../../qat/quantize/scale-problems.ts';
import type { Range } from '../../qat/quantize/checkpoint.ts';
import type { JsonObject } from '../../support/json.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';
import { headOf } from './settings.ts';
import type { TaskSettings } from './settings.ts';

/** @throws JobError 'empty-scale' naming an activation that showed no finite value. */
export function observedRanges(
  placement: Placement,
  observations: ReadonlyMap<string, Observation>,
  observer: Observer,
): ReadonlyMap<string, FoundRange> {
  const found = findRanges(placement, observations, observer);
  if (found.ok) return found.value;
  const { value, min, max } = found.error;
  throw new JobError({
    reason: 'empty-scale',
    message: `the observer of activation "${value}" saw no finite value (min ${min}, max ${max})`,
  });
}

export interface ScalesToCheck {
  readonly network: Network;
  readonly placement: Placement;
  readonly parameters: Parameters;
  readonly activations: ReadonlyMap<string, Range>;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/**
 * A scale of an activation that was left at nothing is an error that names the tensor; channels of weights without a scale of
 * their own are named in warnings.
 * @returns those channels for the report, by weight.
 */
export function checkScales(
  context: JobContext,
  { network, placement, parameters, activations, weights }: ScalesToCheck,
): JsonObject {
  for (const [value, range] of activations) {
    const problem = rangeProblem(range, placement.ranges.get(value)?.format);
    if (problem === undefined) continue;
    throw new JobError({
      reason: 'empty-scale',
      message: `activation "${value}" ${problem}`,
      remedy:
        'The calibration data never excites this tensor, or the layer before it is dead: add data, or look at its weights.',
    });
  }
  const { allZero, smallestScale } = channelProblems(network, parameters, weights);
  const warn = (found: ChannelsOfWeights, what: string): void => {
    for (const [weight, channels] of found) {
      const of = weights.get(weight)?.length ?? 0;
      const text = `weight "${weight}": ${channels.length} of ${of} channels ${what} (${listed(channels)})`;
      context.emit({ type: 'note', level: 'warning', text });
    }
  };
  warn(allZero, 'are all zero and give their bias alone');
  warn(smallestScale, 'stand on the smallest scale there is, 2^-23');
  return { allZero: Object.fromEntries(allZero), smallestScale: Object.fromEntries(smallestScale) };
}

/** A warning names so many channels; the report has all of them. */
const MOST_NAMED = 12;

function listed(channels: readonly number[]): string {
  const more = channels.length - MOST_NAMED;
  return `${channels.slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more, see the report` : ''}`;
}

/** 'backbone' or the name of the task's head. */
export function scopeName(scope: 'backbone' | 'head', task: TaskSettings | undefined): string {
  if (scope === 'backbone') return BACKBONE;
  if (task === undefined) throw new JobError({ reason: 'protocol', message: 'a head is named without a task' });
  return headOf(task);
}
