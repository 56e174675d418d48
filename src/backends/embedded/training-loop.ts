// The loop that `train`, `finetune` and `qat` share: epochs over seeded batches, a frozen backbone run as its own reference
// graph, progress, resume state after every epoch and on interruption, a finite loss or a failure.
import { evaluationBatches, ImageBatcher, trainingBatches } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import type { Parameters } from '../../qat/network/fold.ts';
import type { Range } from '../../qat/quantize/checkpoint.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import { compileProgram } from '../../qat/train/program.ts';
import type { LossSpec } from '../../qat/train/losses.ts';
import type { TargetSpec, TrainingProgram } from '../../qat/train/program.ts';
import type { TrainState } from '../../qat/train/forward.ts';
import { learningRateAt } from '../../qat/train/schedule.ts';
import { Trainer } from '../../qat/train/trainer.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { boundaryShapesOf, outputShapesOf } from './forward-runner.ts';
import type { ForwardRunner } from './forward-runner.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';
import { loadResumeState, saveResumeState } from './resume-state.ts';
import { headOf } from './settings.ts';
import type { TrainingSettings } from './settings.ts';
import { checkOutputFits, lossFor, outputOf, targetName, targetsFor, targetSpec } from './tasks.ts';
import type { TaskSettings } from './settings.ts';

/** A float network whose values the trained one is pulled towards. */
export interface Teacher {
  readonly runner: ForwardRunner;
  readonly values: readonly string[];
  readonly weight: number;
}

export interface LoopRequest {
  readonly context: JobContext;
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, TrainState>;
  readonly placement: Placement;
  /** Parameters of the trained scopes at the start, and of frozen ones for good. */
  readonly parameters: Parameters;
  readonly ranges: ReadonlyMap<string, Range>;
  readonly activationScales: 'fixed' | 'follow';
  readonly averagingConstant: number;
  readonly tasks: readonly { readonly task: TaskSettings; readonly weight: number }[];
  readonly dataset: Dataset;
  readonly training: TrainingSettings;
  readonly seed: number;
  readonly threads: number;
  readonly resumeFrom: string | undefined;
  /** Runs the frozen backbone where it is not part of `scopes`. */
  readonly backbone?: ForwardRunner;
  readonly teacher?: Teacher;
}

export interface LoopResult {
  readonly parameters: ReadonlyMap<string, FloatTensor>;
  readonly ranges: ReadonlyMap<string, Range>;
  /** Mean losses per epoch. */
  readonly epochs: readonly { readonly [loss: string]: number }[];
  readonly steps: number;
  /** The graph that ran: what it differentiated and what it held constant. */
  readonly program: TrainingProgram;
}

const STATISTICS_MOMENTUM = 0.1;
const PROGRESS_MS = 500;

/** @returns undefined when the job was interrupted (its resume state is saved). */
export async function runTraining(request: LoopRequest): Promise<LoopResult | undefined> {
  const { context, dataset, training, seed, network } = request;
  await checkHeadsFit(request);
  const feeder = await BatchFeeder.start(request);
  const program = await compileProgram({
    network,
    scopes: request.scopes,
    placement: request.placement,
    constants: request.parameters,
    ranges: request.ranges,
    activationScales: request.activationScales,
    losses: feeder.losses,
    targets: feeder.targets,
    batch: training.batch,
    boundaryShapes: feeder.boundaryShapes,
    optimizer: training.optimizer,
    momentum: STATISTICS_MOMENTUM,
  });
  const trainer = await Trainer.start(program, training.optimizer, request.threads, {
    parameters: request.parameters,
    ranges: request.ranges,
  });
  const stepsPerEpoch = trainingBatches(dataset.count, training.batch, seed, 0).length;
  const total = Math.round(stepsPerEpoch * training.epochs);
  const resumed = await loadResumeState(request.resumeFrom, trainer.state);
  const epochs = [...(resumed?.epochs ?? [])];
  let sums: { [loss: string]: number } = { ...resumed?.lossSums };
  if (resumed !== undefined) trainer.restore(resumed.trainer);
  const save = async (): Promise<void> => {
    await saveResumeState(context.resumeDir, { trainer: trainer.state, lossSums: sums, epochs });
    context.emit({ type: 'resume-state', step: trainer.state.step });
  };
  const progress = new ProgressReporter(context, total, stepsPerEpoch, training, trainer.state.step);

  while (trainer.state.step < total) {
    const epoch = Math.floor(trainer.state.step / stepsPerEpoch);
    const batches = trainingBatches(dataset.count, training.batch, seed, epoch);
    for (let index = trainer.state.step % stepsPerEpoch; index < stepsPerEpoch && trainer.state.step < total; index++) {
      if (context.interrupted()) {
        await save();
        await trainer.release();
        return undefined;
      }
      const learningRate = learningRateAt(
        training.schedule,
        training.learningRate,
        trainer.state.step,
        total,
        stepsPerEpoch,
      );
      const data = await feeder.feed(batches[index] as Uint32Array);
      const losses = await trainer.step(data, { learningRate, averagingConstant: request.averagingConstant });
      for (const [name, value] of losses) {
        if (!Number.isFinite(value)) throw lossNotFinite(name, value, trainer.state.step, epoch);
        sums[name] = (sums[name] ?? 0) + value;
      }
      progress.step(trainer.state.step, losses.get('loss') as number, learningRate);
    }
    const steps = trainer.state.step - epochs.length * stepsPerEpoch;
    epochs.push(Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / steps])));
    sums = {};
    await save();
  }
  const result = {
    parameters: trainer.parameters(),
    ranges: trainer.ranges(request.placement),
    epochs,
    steps: total,
    program,
  };
  await trainer.release();
  return result;
}

async function checkHeadsFit({ network, dataset, tasks, threads }: LoopRequest): Promise<void> {
  const outputs = tasks.map(({ task }) => outputOf(network, task));
  const heads = tasks.map(({ task }) => headOf(task));
  const shapes =
    heads.length === 0 ? new Map<string, readonly number[]>() : await outputShapesOf(network, heads, threads);
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

/** Assembles what a step is fed: images or boundary features, targets, a teacher's values. */
class BatchFeeder {
  private readonly request: LoopRequest;
  private readonly batcher: ImageBatcher;
  readonly losses: readonly LossSpec[];
  readonly targets: readonly TargetSpec[];
  readonly boundaryShapes: ReadonlyMap<string, readonly number[]>;

  private constructor(
    request: LoopRequest,
    batcher: ImageBatcher,
    losses: readonly LossSpec[],
    targets: readonly TargetSpec[],
    boundaryShapes: ReadonlyMap<string, readonly number[]>,
  ) {
    this.request = request;
    this.batcher = batcher;
    this.losses = losses;
    this.targets = targets;
    this.boundaryShapes = boundaryShapes;
  }

  static async start(request: LoopRequest): Promise<BatchFeeder> {
    const { network, dataset, training, backbone, teacher } = request;
    const boundaryShapes =
      backbone === undefined
        ? new Map<string, readonly number[]>()
        : await boundaryShapesOf(network, backbone, training.batch);
    const losses = request.tasks.map(({ task, weight }) => lossFor(network, task, weight));
    const targets = request.tasks.map(({ task }) => targetSpec(dataset, task, training.batch));
    const feeder = new BatchFeeder(request, new ImageBatcher(dataset), losses, targets, boundaryShapes);
    if (teacher === undefined) return feeder;
    const first = evaluationBatches(dataset.count, training.batch)[0];
    const values = await feeder.teach(teacher, await feeder.inputs(first?.indices ?? []));
    const lessons = [...values].map(([name, tensor]): TargetSpec => ({ name, dtype: 'float32', shape: tensor.shape }));
    const distances = teacher.values.map((value): LossSpec => ({
      kind: 'distill',
      output: value,
      target: `teacher.${value}`,
      weight: teacher.weight,
    }));
    return new BatchFeeder(
      request,
      feeder.batcher,
      [...losses, ...distances],
      [...targets, ...lessons],
      boundaryShapes,
    );
  }

  async feed(indices: Uint32Array): Promise<ReadonlyMap<string, Tensor>> {
    const inputs = await this.inputs(indices);
    const feeds = new Map(
      this.request.scopes.has(BACKBONE) || this.request.backbone === undefined ? inputs : [...inputs].slice(1),
    );
    for (const { task } of this.request.tasks)
      feeds.set(targetName(task), targetsFor(this.request.dataset, task, indices));
    if (this.request.teacher !== undefined)
      for (const [name, tensor] of await this.teach(this.request.teacher, inputs)) feeds.set(name, tensor);
    return feeds;
  }

  /** The image batch first, then boundary features where the backbone is frozen. */
  private async inputs(indices: ArrayLike<number>): Promise<ReadonlyMap<string, Tensor>> {
    const images = new Map<string, Tensor>([[this.request.network.input.name, this.batcher.images(indices)]]);
    if (this.request.backbone === undefined) return images;
    return new Map([...images, ...(await this.request.backbone.run(images))]);
  }

  private async teach(teacher: Teacher, inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    const values = await teacher.runner.run(inputs);
    return new Map(teacher.values.map((value) => [`teacher.${value}`, values.get(value) as Tensor]));
  }
}

class ProgressReporter {
  private last = 0;
  private readonly started = performance.now();
  private smoothed: number | undefined;

  private readonly context: JobContext;
  private readonly total: number;
  private readonly stepsPerEpoch: number;
  private readonly training: TrainingSettings;
  private readonly firstStep: number;

  constructor(
    context: JobContext,
    total: number,
    stepsPerEpoch: number,
    training: TrainingSettings,
    firstStep: number,
  ) {
    this.context = context;
    this.total = total;
    this.stepsPerEpoch = stepsPerEpoch;
    this.training = training;
    this.firstStep = firstStep;
  }

  step(step: number, loss: number, learningRate: number): void {
    this.smoothed = this.smoothed === undefined ? loss : 0.95 * this.smoothed + 0.05 * loss;
    const now = performance.now();
    if (now - this.last < PROGRESS_MS && step < this.total) return;
    this.last = now;
    const perStep = (now - this.started) / (step - this.firstStep) / 1000;
    this.context.emit({
      type: 'progress',
      unit: 'epoch',
      done: Math.floor(step / this.stepsPerEpoch),
      total: this.training.epochs,
      step: step % this.stepsPerEpoch,
      steps: this.stepsPerEpoch,
      loss: this.smoothed,
      learningRate,
      rate: this.training.batch / perStep,
      secondsLeft: perStep * (this.total - step),
    });
  }
}
