// The loop that `train`, `finetune` and `qat` share: epochs over seeded batches, a frozen backbone run as its own reference
// graph, progress, resume state after every epoch and on interruption, a finite loss or a failure.
import { trainingBatches } from '../../data/batches.ts';
import { compileProgram } from '../../qat/train/program.ts';
import type { ProgramRequest, TrainingProgram } from '../../qat/train/program.ts';
import { isFrozenAt, learningRateAt } from '../../qat/train/schedule.ts';
import type { FreezePoint } from '../../qat/train/schedule.ts';
import { Trainer } from '../../qat/train/trainer.ts';
import type { JsonObject } from '../../support/json.ts';
import { BatchFeeder } from './batch-feeder.ts';
import { outputShapesOf } from './forward-runner.ts';
import { JobError } from './job-error.ts';
import { loadResumeState, saveResumeState } from './resume-state.ts';
import { headOf } from './settings.ts';
import { checkOutputFits, outputOf } from './tasks.ts';
import { TrainingProgress } from './training-progress.ts';
import type { TrainedValues, TrainingRequest } from './training-request.ts';
import { trainedBy, TrainingWatch } from './training-watch.ts';

export interface TrainingResult extends TrainedValues {
  /** Mean losses per epoch. */
  readonly epochs: readonly { readonly [loss: string]: number }[];
  /** The last epoch's mean of the weighted sum of all losses. */
  readonly loss: number;
  readonly steps: number;
  /** The part of the report that tells how the training went. */
  readonly told: JsonObject;
  /** The graph that ran: what it differentiated and what it held constant. */
  readonly program: TrainingProgram;
}

const STATISTICS_MOMENTUM = 0.1;

/**
 * @returns undefined when the job was interrupted (its resume state is saved).
 * @throws JobError when a loss is not finite, or a head's output does not fit its target.
 */
export async function runTraining(given: TrainingRequest): Promise<TrainingResult | undefined> {
  // Tasks without labels are trained towards the teacher alone.
  const request = { ...given, tasks: given.tasks.filter(({ task }) => task.loss !== null) };
  const { context, dataset, training, network } = request;
  const { seed, threads, resumeFrom } = request.request;
  await checkHeadsFit(request);
  const feeder = await BatchFeeder.start(request);
  const program = await compileProgram({
    network,
    scopes: request.scopes,
    placement: request.placement,
    constants: request.parameters,
    ranges: request.ranges,
    activationScales: request.activationScales,
    ...programOptions(request),
    losses: feeder.losses,
    targets: feeder.targets,
    batch: training.batch,
    boundaryShapes: feeder.boundaryShapes,
    optimizer: training.optimizer,
    momentum: STATISTICS_MOMENTUM,
  });
  const trainer = await Trainer.start(program, training.optimizer, threads, {
    parameters: request.parameters,
    ranges: request.ranges,
    ...(request.startingWeightScales === undefined ? {} : { weightScales: request.startingWeightScales }),
  });
  const stepsPerEpoch = trainingBatches(dataset.count, training.batch, seed, 0).length;
  const total = Math.round(stepsPerEpoch * training.epochs);
  const watch = await TrainingWatch.start(request, stepsPerEpoch);
  const resumed = await loadResumeState(resumeFrom, trainer.state);
  const epochs = [...(resumed?.epochs ?? [])];
  let sums: { [loss: string]: number } = { ...resumed?.lossSums };
  if (resumed !== undefined) {
    trainer.restore(resumed.trainer);
    watch.restore(resumed.watch);
  }
  const save = async (): Promise<void> => {
    await saveResumeState(context.resumeDir, { trainer: trainer.state, lossSums: sums, epochs, watch: watch.state });
    context.emit({ type: 'resume-state', step: trainer.state.step });
  };
  const leave = async (): Promise<undefined> => {
    await save();
    await trainer.release();
    return undefined;
  };
  await watch.measureStart(trainer, feeder);
  if (!(await watch.validate(epochs.length, trainer))) return leave();
  const progress = new TrainingProgress(context, total, stepsPerEpoch, training, trainer.state.step);

  while (trainer.state.step < total && !watch.isSpent) {
    const epoch = Math.floor(trainer.state.step / stepsPerEpoch);
    const batches = trainingBatches(dataset.count, training.batch, seed, epoch);
    for (let index = trainer.state.step % stepsPerEpoch; index < stepsPerEpoch && trainer.state.step < total; index++) {
      if (context.interrupted()) return leave();
      const learningRate = learningRateAt(
        training.schedule,
        training.learningRate,
        trainer.state.step,
        total,
        stepsPerEpoch,
      );
      const data = await feeder.feed(batches[index] as Uint32Array, epoch);
      const frozen = (point: FreezePoint | undefined): boolean => isFrozenAt(point, trainer.state.step, stepsPerEpoch);
      const losses = await trainer.step(data, {
        learningRate,
        averagingConstant: frozen(request.freezeObserversAfter) ? 0 : request.averagingConstant,
        batchNormFrozen: frozen(training.freezeBatchNormAfter),
      });
      for (const [name, value] of losses) {
        if (!Number.isFinite(value)) throw lossNotFinite(name, value, trainer.state.step, epoch);
        sums[name] = (sums[name] ?? 0) + value;
      }
      watch.sawLoss(losses.get('loss') as number);
      progress.step(trainer.state.step, losses.get('loss') as number, learningRate);
    }
    const steps = trainer.state.step - epochs.length * stepsPerEpoch;
    epochs.push(Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / steps])));
    sums = {};
    if (!(await watch.validate(epochs.length, trainer))) return leave();
    await save();
  }
  const { step: steps } = trainer.state;
  const told = watch.finish(trainer, epochs.length);
  const result = {
    ...trainedBy(trainer, request),
    epochs,
    loss: epochs.at(-1)?.['loss'] ?? 0,
    steps,
    told: { steps, epochs, ...told },
    program,
  };
  await trainer.release();
  return result;
}

/** What the settings ask of the compiled program beyond the plain step. */
function programOptions({
  training,
  weightScales,
  scaleRate,
  straightThrough,
}: TrainingRequest): Partial<ProgramRequest> {
  const { optimizer, clipNorm, ema, freezeBatchNormAfter } = training;
  return {
    ...(weightScales === undefined ? {} : { weightScales }),
    ...(scaleRate === undefined ? {} : { scaleRate }),
    ...(straightThrough === undefined ? {} : { straightThrough }),
    ...(optimizer.decays === undefined ? {} : { decaying: optimizer.decays }),
    ...(clipNorm === undefined ? {} : { clipNorm }),
    ...(ema === undefined ? {} : { averageDecay: ema.decay }),
    ...(freezeBatchNormAfter === undefined ? {} : { switchesBatchNorm: true }),
  };
}

async function checkHeadsFit({ request, network, dataset, tasks }: TrainingRequest): Promise<void> {
  const outputs = tasks.map(({ task }) => outputOf(network, task));
  const heads = tasks.map(({ task }) => headOf(task));
  const shapes =
    heads.length === 0 ? new Map<string, readonly number[]>() : await outputShapesOf(network, heads, request.threads);
  for (const [index, { task }] of tasks.entries())
    checkOutputFits(task, dataset, shapes.get(outputs[index] as string) ?? []);
}

function lossNotFinite(name: string, value: number, step: number, epoch: number): JobError {
  return new JobError({
    reason: 'loss-not-finite',
    message: `${name} became ${value} at step ${step} (epoch ${epoch + 1})`,
    remedy: 'Lower the learning rate, or add a warm-up.',
  });
}
