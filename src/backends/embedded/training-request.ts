// What a training is asked to do, for all the jobs that train.
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import type { Network } from '../../qat/network/network.ts';
import type { Parameters } from '../../qat/network/fold.ts';
import type { Range } from '../../qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../qat/quantize/placement.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import type { TrainState } from '../../qat/train/forward.ts';
import type { FreezePoint } from '../../qat/train/schedule.ts';
import type { ForwardRunner } from './forward-runner.ts';
import type { JobContext } from './job-context.ts';
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
