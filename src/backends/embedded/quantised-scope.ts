// What the jobs on quantised scopes share: weight scales of a scope, placement of several scopes, sanity of scales.
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import type { Parameters } from '../../qat/network/fold.ts';
import { weightScalesOf } from '../../qat/quantize/deploy.ts';
import type { Observation } from '../../qat/quantize/observation.ts';
import { findRange } from '../../qat/quantize/observers.ts';
import type { FoundRange, Observer } from '../../qat/quantize/observers.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import { rangeProblem } from '../../qat/quantize/scale-problems.ts';
import { EPSILON } from '../../qat/quantize/scheme.ts';
import type { Range } from '../../qat/quantize/checkpoint.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';
import { headOf } from './settings.ts';
import type { TaskSettings } from './settings.ts';

/** Per-channel scales of the scope's folded weights as they are now (re-derived at every save, so that they never lag). */
export function scopeWeightScales(
  network: Network,
  placement: Placement,
  scope: string,
  parameters: Parameters,
): ReadonlyMap<string, Float32Array> {
  const scales = new Map<string, Float32Array>();
  for (const unit of network.units) {
    const quantizer = unit.kind === 'layer' && unit.scope === scope ? placement.weights.get(unit.weight) : undefined;
    if (quantizer !== undefined && unit.kind === 'layer')
      scales.set(unit.weight, weightScalesOf(unit, parameters, quantizer.format));
  }
  return scales;
}

/** @throws JobError 'empty-scale' naming an activation that showed no finite value. */
export function observedRanges(
  placement: Placement,
  observations: ReadonlyMap<string, Observation>,
  observer: Observer,
): ReadonlyMap<string, FoundRange> {
  const ranges = new Map<string, FoundRange>();
  for (const [value, observation] of observations) {
    const format = placement.ranges.get(value)?.format;
    const found = format === undefined ? undefined : findRange(observation, observer, format);
    if (found === undefined) {
      throw new JobError({
        reason: 'empty-scale',
        message: `the observer of activation "${value}" saw no finite value (min ${observation.min}, max ${observation.max})`,
      });
    }
    ranges.set(value, found);
  }
  return ranges;
}

/** A scale that calibration left at nothing is an error that names the tensor; a dead weight channel is a warning. */
export function checkScales(
  context: JobContext,
  placement: Placement,
  activations: ReadonlyMap<string, Range>,
  weights: ReadonlyMap<string, Float32Array>,
): void {
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
  for (const [weight, scales] of weights) {
    const dead = scales.reduce((count, scale) => count + (scale <= EPSILON ? 1 : 0), 0);
    if (dead > 0)
      context.emit({
        type: 'note',
        level: 'warning',
        text: `weight "${weight}": ${dead} of ${scales.length} channels are all zero`,
      });
  }
}

/** 'backbone' or the name of the task's head. */
export function scopeName(scope: 'backbone' | 'head', task: TaskSettings | undefined): string {
  if (scope === 'backbone') return BACKBONE;
  if (task === undefined) throw new JobError({ reason: 'protocol', message: 'a head is named without a task' });
  return headOf(task);
}
