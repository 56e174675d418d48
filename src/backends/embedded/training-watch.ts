// Watches a training: the loss it starts from, the metric on the gate split every n epochs, the best epoch so far. What it
// remembers is part of the resume state, so that a resumed training keeps, stops and fails as an uninterrupted one.
import { trainingBatches } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { meanOf } from '../../qat/metrics/metric.ts';
import type { MetricResult } from '../../qat/metrics/metric.ts';
import type { Trainer, TrainerState } from '../../qat/train/trainer.ts';
import type { JsonObject } from '../../support/json.ts';
import type { BatchFeeder } from './batch-feeder.ts';
import { ForwardRunner } from './forward-runner.ts';
import { readDataset } from './inputs.ts';
import { JobError } from './job-error.ts';
import { measure } from './measure.ts';
import { forwardOf } from './probe.ts';
import { outputsOf } from './tasks.ts';
import {
  bestEpoch,
  divergedFailure,
  isSpent,
  NO_HISTORY,
  stuckFailure,
  type TrainingHistory,
} from './training-history.ts';
import type { TrainedValues, TrainingRequest } from './training-request.ts';

/** The loss is a mean over so many images, where that is no more than so many batches. */
const LOSS_IMAGES = 128;
const MOST_LOSS_BATCHES = 16;

/** What of a trainer's state is what it made: moments and step are not. */
export const keptVectors = ['parameters', 'statistics', 'ranges', 'averages'] as const;
export type KeptVectors = Pick<TrainerState, (typeof keptVectors)[number]>;

export interface WatchState {
  readonly history: TrainingHistory;
  /** The vectors of the best epoch so far and the losses that led to it; undefined unless the best one is kept. */
  readonly best?: KeptVectors & { readonly recent: readonly number[] };
}

export class TrainingWatch {
  private readonly request: TrainingRequest;
  private readonly gate: Dataset | undefined;
  private readonly window: number;
  private readonly lastEpoch: number;
  private current: WatchState = { history: NO_HISTORY };

  private constructor(request: TrainingRequest, gate: Dataset | undefined, window: number) {
    this.request = request;
    this.gate = gate;
    this.window = window;
    this.lastEpoch = request.training.epochs;
  }

  static async start(request: TrainingRequest, stepsPerEpoch: number): Promise<TrainingWatch> {
    const { validated, network, training } = request;
    const gate = validated === undefined ? undefined : await readDataset(request.request, 'data[gate]', network);
    const batches = Math.min(Math.ceil(LOSS_IMAGES / training.batch), MOST_LOSS_BATCHES, stepsPerEpoch);
    return new TrainingWatch(request, gate, batches);
  }

  get state(): WatchState {
    return this.current;
  }

  restore(state: WatchState): void {
    this.current = state;
  }

  /** Early stopping says that it is enough. */
  get isSpent(): boolean {
    return isSpent(this.current.history, this.request.training.validation ?? {});
  }

  /** The loss before the first step, once; the trainer is left as it was. Not when the job is interrupted meanwhile. */
  async measureStart(trainer: Trainer, feeder: BatchFeeder): Promise<void> {
    const { training, dataset, request, context } = this.request;
    const asked = (training.divergenceFactor ?? 0) > 0 && training.epochs > 0;
    if (!asked || this.current.history.start !== undefined || trainer.state.step > 0) return;
    const before = trainer.state;
    const losses: number[] = [];
    const batches = trainingBatches(dataset.count, training.batch, request.seed, 0).slice(0, this.window);
    for (const batch of batches) {
      if (context.interrupted()) return;
      const rates = { learningRate: 0, averagingConstant: 0, batchNormFrozen: false };
      losses.push((await trainer.step(await feeder.feed(batch, 0), rates)).get('loss') as number);
      trainer.restore(before);
    }
    this.remember({ start: meanOf(losses) });
  }

  /** Remembers the loss of a step; to be called after each. */
  sawLoss(loss: number): void {
    this.remember({ recent: [...this.current.history.recent, loss].slice(-this.window) });
  }

  /** Measures where an epoch's end is to be validated and was not yet. @returns false when the job was interrupted meanwhile. */
  async validate(epoch: number, trainer: Trainer): Promise<boolean> {
    if (!this.isDue(epoch)) return true;
    const measured = await this.measured(trainedBy(trainer, this.request));
    if (measured === undefined) return false;
    const { primary: name, values, higherIsBetter } = measured;
    const value = values[name] ?? Number.NaN;
    const { history } = this.current;
    this.remember({
      metric: { name, higherIsBetter: higherIsBetter[name] ?? true },
      validations: [...history.validations, { epoch, value: Number.isFinite(value) ? value : null }],
    });
    const keeps = this.request.training.validation?.keep === 'best';
    if (keeps && bestEpoch(this.current.history)?.epoch === epoch)
      this.current = { ...this.current, best: { ...copied(trainer.state), recent: this.current.history.recent } };
    const at = epoch === 0 ? 'before the first step' : `after epoch ${epoch}`;
    this.request.context.emit({ type: 'metrics', at, values: finite(values) });
    return true;
  }

  /**
   * At the end: takes the trainer back to the epoch that is kept. @throws JobError where the training got nowhere.
   * @returns what the report says of it.
   */
  finish(trainer: Trainer, epochs: number): JsonObject {
    const { training, validated } = this.request;
    const { history, best } = this.current;
    const kept = best === undefined ? epochs : (bestEpoch(history)?.epoch ?? epochs);
    const stopped = epochs < this.lastEpoch;
    if (training.learningRate > 0) {
      const stuck = stuckFailure(history, stopped ? 'early' : 'done');
      if (stuck !== undefined) throw new JobError(stuck);
    }
    // The start has no loss that led to it, so there the latest losses count.
    const recent = best?.recent ?? history.recent;
    const diverged = divergedFailure({ ...history, recent }, training.divergenceFactor ?? 0);
    if (diverged !== undefined) throw new JobError(diverged);
    if (best !== undefined) trainer.restore({ ...trainer.state, ...copied(best) });
    return {
      ...(history.start === undefined ? {} : { startLoss: history.start }),
      ...(validated === undefined
        ? {}
        : {
            validation: {
              task: validated.task.name,
              split: 'gate',
              metric: history.metric?.name ?? null,
              values: history.validations.map(({ epoch, value }) => ({ epoch, value })),
              kept,
              stopped,
            },
          }),
    };
  }

  private isDue(epoch: number): boolean {
    const { validation } = this.request.training;
    if (this.gate === undefined || validation === undefined) return false;
    const due = epoch % validation.every === 0 || epoch === this.lastEpoch;
    return due && this.current.history.validations.every((one) => one.epoch !== epoch);
  }

  private async measured(trained: TrainedValues): Promise<MetricResult | undefined> {
    const { network, validated, training, request, context } = this.request;
    if (validated === undefined || this.gate === undefined) throw new Error('nothing is validated');
    const { task } = validated;
    const outputs = outputsOf(network, task);
    const { batch } = training;
    const scopes = validated.scopes(trained);
    const runner = await ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
    // Progress is the training's own.
    const quiet = { ...context, interrupted: () => context.interrupted(), emit: () => undefined };
    const result = await measure(quiet, { task, dataset: this.gate, outputs, batch }, forwardOf(network, runner));
    await runner.release();
    return result;
  }

  private remember(more: Partial<TrainingHistory>): void {
    this.current = { ...this.current, history: { ...this.current.history, ...more } };
  }
}

export function trainedBy(trainer: Trainer, { placement }: Pick<TrainingRequest, 'placement'>): TrainedValues {
  return {
    parameters: trainer.parameters(),
    ranges: trainer.ranges(placement),
    weightScales: trainer.weightScales(placement),
  };
}

/** A copy of the vectors, since the runtime may use what it gave again. */
function copied(state: KeptVectors): KeptVectors {
  const { parameters, statistics, ranges, averages } = state;
  return {
    parameters: parameters.slice(),
    statistics: statistics.slice(),
    ranges: ranges.slice(),
    averages: averages.slice(),
  };
}

function finite(values: MetricResult['values']): MetricResult['values'] {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));
}
