// What a training is asked to do, for all the jobs that train.
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import type { Network } from '../../qat/network/network.ts';
import type { Parameters } from '../../qat/network/fold.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import type { Range, ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../qat/quantize/placement.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import type { TrainState } from '../../qat/train/forward.ts';
import type { FreezePoint } from '../../qat/train/schedule.ts';
import type { FloatTensor } from '../../support/tensor.ts';
import type { ForwardRunner } from './forward-runner.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';
import type { TaskSettings, TrainingSettings } from './settings.ts';
import type { Teacher } from './teachers.ts';

export interface TrainingRequest extends Quantisers {
  /** Seed, threads and the state to go on from are the job's. */
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, TrainState>;
  /** Parameters of the trained scopes at the start, and of frozen ones for good. */
  readonly parameters: Parameters;
  readonly tasks: readonly { readonly task: TaskSettings; readonly weight: number }[];
  readonly dataset: Dataset;
  readonly training: TrainingSettings;
  /** Runs the frozen backbone where it is not part of `scopes`. */
  readonly backbone?: ForwardRunner;
  readonly teacher?: Teacher;
  /** What validation found; undefined unless the settings ask for it. */
  readonly validated?: Validated;
}

/** What is measured while a training goes on. */
export interface Validated {
  readonly task: TaskSettings;
  /** Scopes as they would be saved now, beside those that are held. */
  readonly scopes: (trained: TrainedValues) => ReadonlyMap<string, ScopeForward>;
}

/** What a training has made of its scopes. */
export interface TrainedValues {
  readonly parameters: ReadonlyMap<string, FloatTensor>;
  readonly ranges: ReadonlyMap<string, Range>;
  /** Learned ones; empty where scales are derived from the weights. */
  readonly weightScales: ReadonlyMap<string, Float32Array>;
}

/** The field of a request for the task that the settings name among those that are trained. @throws JobError for none. */
export function validatedBy(
  { validation }: TrainingSettings,
  tasks: readonly TaskSettings[],
  scopes: Validated['scopes'],
): { readonly validated?: Validated } {
  if (validation === undefined) return {};
  const { task: named } = validation;
  const task = named === undefined ? tasks[0] : tasks.find(({ name }) => name === named);
  if (task !== undefined) return { validated: { task, scopes } };
  const message = `the training is to be validated by ${named === undefined ? 'no task' : `task "${named}"`}, which it does not train`;
  throw new JobError({ reason: 'settings', message });
}

/** Float scopes as they are measured. */
export function float(checkpoints: Iterable<ScopeCheckpoint>): ReadonlyMap<string, ScopeForward> {
  return new Map([...checkpoints].map((checkpoint) => [checkpoint.scope, { state: 'FLOAT', checkpoint }]));
}

/** A scope with what was trained of it in place of what it started from. */
export function withTrained(
  before: ScopeCheckpoint,
  { parameters }: Pick<TrainedValues, 'parameters'>,
): ScopeCheckpoint {
  const after = [...before.parameters].map(([name, tensor]) => [name, parameters.get(name) ?? tensor] as const);
  return { ...before, parameters: new Map(after) };
}

export interface Quantisers {
  readonly placement: Placement;
  readonly ranges: ReadonlyMap<string, Range>;
  readonly activationScales: 'fixed' | 'follow' | 'learned';
  /** c of `min ← min + c·(cur − min)`; 0 where scales are fixed. */
  readonly averagingConstant: number;
  readonly freezeObserversAfter?: FreezePoint;
  readonly weightScales?: 'derived' | 'learned';
  /** What learned weight scales start from. */
  readonly startingWeightScales?: ReadonlyMap<string, Float32Array>;
  readonly scaleRate?: number;
  readonly straightThrough?: 'masked' | 'inclusive';
}

/** For float training. */
export function noQuantisers(network: Network): Quantisers {
  return {
    placement: placeQuantizers(network, new Map()),
    ranges: new Map(),
    activationScales: 'fixed',
    averagingConstant: 0,
  };
}
