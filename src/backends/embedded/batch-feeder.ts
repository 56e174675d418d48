// Assembles what a training step is fed: images or the frozen backbone's features, targets, a teacher's values; and, from
// the same request, the losses that read them.
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import { augmented } from '../../data/augment.ts';
import type { LossFormula, LossSpec } from '../../qat/train/losses.ts';
import type { TargetSpec } from '../../qat/train/program.ts';
import type { Tensor } from '../../support/tensor.ts';
import { valueShapesOf } from './forward-runner.ts';
import { readLossGraph } from './loss-graph-file.ts';
import { lossFor, targetName, targetsFor, targetSpec } from './tasks.ts';
import type { Teacher } from './teachers.ts';
import type { TrainingRequest } from './training-request.ts';

export class BatchFeeder {
  private readonly request: TrainingRequest;
  private readonly batcher: ImageBatcher;
  readonly losses: readonly LossSpec[];
  readonly targets: readonly TargetSpec[];
  readonly boundaryShapes: ReadonlyMap<string, readonly number[]>;

  private constructor(
    request: TrainingRequest,
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

  static async start(request: TrainingRequest): Promise<BatchFeeder> {
    const { network, dataset, training, backbone, teacher } = request;
    const boundaryShapes =
      backbone === undefined
        ? new Map<string, readonly number[]>()
        : await valueShapesOf(network, backbone, training.batch);
    const losses: LossSpec[] = [];
    for (const { task, weight } of request.tasks)
      losses.push(lossFor(network, dataset, task, weight, await readLossGraph(request, task)));
    const targets = request.tasks.map(({ task }) => targetSpec(dataset, task, training.batch));
    const feeder = new BatchFeeder(request, new ImageBatcher(dataset), losses, targets, boundaryShapes);
    if (teacher === undefined) return feeder;
    const first = evaluationBatches(dataset.count, training.batch)[0];
    const values = await feeder.teach(teacher, await feeder.inputs(first?.indices ?? []));
    const lessons = [...values].map(([name, tensor]): TargetSpec => ({ name, dtype: 'float32', shape: tensor.shape }));
    const distances = teacher.values.map((value): LossSpec => ({
      ...distanceOf(teacher),
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

  /** @param epoch decides, with the job's seed, how images are augmented. */
  async feed(drawn: Uint32Array, epoch: number): Promise<ReadonlyMap<string, Tensor>> {
    const { dataset, batcher, indices } = this.seen(drawn, epoch);
    const inputs = await this.inputs(indices, batcher);
    const feeds = new Map(
      this.request.scopes.has(BACKBONE) || this.request.backbone === undefined ? inputs : [...inputs].slice(1),
    );
    for (const { task } of this.request.tasks) feeds.set(targetName(task), targetsFor(dataset, task, indices));
    if (this.request.teacher !== undefined)
      for (const [name, tensor] of await this.teach(this.request.teacher, inputs)) feeds.set(name, tensor);
    return feeds;
  }

  /** The images as the data set has them, or changed into a data set of this batch alone. */
  private seen(drawn: Uint32Array, epoch: number) {
    const { dataset, training, request } = this.request;
    if (training.augment === undefined) return { dataset, batcher: this.batcher, indices: drawn };
    const changed = augmented(dataset, drawn, training.augment, { seed: request.seed, epoch });
    return { dataset: changed, batcher: new ImageBatcher(changed), indices: drawn.map((_, place) => place) };
  }

  /** The image batch first, then boundary features where the backbone is frozen. */
  private async inputs(indices: ArrayLike<number>, batcher = this.batcher): Promise<ReadonlyMap<string, Tensor>> {
    const images = new Map<string, Tensor>([[this.request.network.input.name, batcher.images(indices)]]);
    if (this.request.backbone === undefined) return images;
    return new Map([...images, ...(await this.request.backbone.run(images))]);
  }

  private async teach(teacher: Teacher, inputs: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    const values = await teacher.runner.run(inputs);
    return new Map(teacher.values.map((value) => [`teacher.${value}`, values.get(value) as Tensor]));
  }
}

function distanceOf({ distance }: Teacher): LossFormula {
  return distance.kind === 'kl'
    ? { kind: 'distill-kl', temperature: distance.temperature ?? 1 }
    : { kind: 'distill', normalised: distance.kind === 'nmse' };
}
