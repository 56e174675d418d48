// A task's settings turned into what the kernel and the data layer need: its head's output, target tensors, loss, metric.
import { buildTargets, maskTarget, requestOf } from '../../data/targets.ts';
import type { TargetRequest } from '../../data/targets.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Network, NetworkInterface } from '../../qat/network/network.ts';
import { NetworkError } from '../../qat/network/network.ts';
import type { LossFormula, LossSpec } from '../../qat/train/losses.ts';
import type { LossGraph } from '../../qat/train/loss-graph.ts';
import type { TargetSpec } from '../../qat/train/program.ts';
import type { Tensor } from '../../support/tensor.ts';
import { JobError } from './job-error.ts';
import { headOf } from './settings.ts';
import type { TaskSettings } from './settings.ts';

/** The tensor of the float graph that the task's loss and metric look at. */
export function outputOf(network: NetworkInterface, task: TaskSettings): string {
  return outputsOf(network, task)[0];
}

/** All outputs of the task's head. */
export function outputsOf(network: NetworkInterface, task: TaskSettings): readonly [string, ...string[]] {
  const head = network.scopes.heads[headOf(task)];
  if (head === undefined)
    throw new NetworkError(
      `the model has no head "${headOf(task)}" (it has: ${Object.keys(network.scopes.heads).join(', ')})`,
      "Name one of the model's heads as the `head` of the task.",
    );
  return head.outputs as readonly [string, ...string[]];
}

export function targetName(task: TaskSettings): string {
  return `target.${task.name}`;
}

export function targetsFor(dataset: Dataset, task: TaskSettings, indices: ArrayLike<number>): Tensor {
  return buildTargets(dataset, indices, targetRequest(dataset, task));
}

/** @param graph of a task whose loss is one. */
export function lossFor(
  network: Network,
  dataset: Dataset,
  task: TaskSettings,
  weight: number,
  graph?: LossGraph,
): LossSpec {
  const common = { output: outputOf(network, task), target: targetName(task), weight };
  return { ...formulaOf(dataset, task, graph), ...common };
}

function formulaOf(dataset: Dataset, task: TaskSettings, graph: LossGraph | undefined): LossFormula {
  const { loss } = task;
  if (loss === null) throw new Error(`task "${task.name}" has no loss`);
  const labels = labelsOf(dataset, task);
  switch (loss.kind) {
    case 'focal-heatmap':
      return { kind: 'focal-heatmap' };
    case 'cross-entropy':
      return { ...loss, ignore: loss.ignore ?? 255 };
    case 'focal':
      return { kind: 'focal', alpha: loss.alpha ?? 0.25, gamma: loss.gamma ?? 2, ...labels };
    case 'dice':
      return { kind: 'dice', activation: loss.activation ?? 'softmax', smooth: loss.smooth ?? 1, ...labels };
    case 'smooth-l1':
      return { kind: 'smooth-l1', beta: loss.beta ?? 1, ...labels };
    case 'bce':
    case 'l1':
    case 'mse':
      return { ...loss, ...labels };
    case 'onnx':
      if (graph === undefined) throw new Error(`the loss of task "${task.name}" was not read`);
      return { kind: 'graph', graph };
  }
}

export function targetSpec(dataset: Dataset, task: TaskSettings, batch: number): TargetSpec {
  const probe = targetsFor(dataset, task, [0]);
  const dtype = probe.dtype === 'int32' ? 'int32' : 'float32';
  return { name: targetName(task), dtype, shape: [batch, ...probe.shape.slice(1)] };
}

/** The head's output and the target must have the same grid and as many channels as classes, before any step is spent. */
export function checkOutputFits(task: TaskSettings, dataset: Dataset, output: readonly number[]): void {
  refuseOtherIgnore(task, dataset);
  refuseWeightCount(task, output[1]);
  const target = targetsFor(dataset, task, [0]).shape;
  const remedy = "Make the task's stride and classes those of the head.";
  const classes = dataset.targets.get(task.target)?.classes.length;
  if (classes !== undefined && output[1] !== classes) {
    throw new JobError({
      reason: 'wrong-shape',
      message: `head "${headOf(task)}" gives ${output[1] ?? 0} classes, target "${task.target}" of data set "${dataset.name}" has ${classes}`,
      remedy,
    });
  }
  if (task.classes !== undefined && classes !== undefined && task.classes !== classes) {
    throw new JobError({
      reason: 'wrong-shape',
      message: `task "${task.name}" says ${task.classes} classes, target "${task.target}" of data set "${dataset.name}" has ${classes}`,
      remedy,
    });
  }
  if (output.slice(2).join() === target.slice(target.length - output.length + 2).join()) return;
  throw new JobError({
    reason: 'wrong-shape',
    message: `head "${headOf(task)}" gives [${output.slice(1).join(', ')}], target "${task.target}" of data set "${dataset.name}" at stride ${task.stride} is [${target.slice(1).join(', ')}]`,
    remedy,
  });
}

/** The metric leaves out what the data set says. A loss that leaves out another value trains on void pixels, or skips a class. */
function refuseOtherIgnore({ name, loss, target }: TaskSettings, dataset: Dataset): void {
  const found = dataset.targets.get(target);
  if (loss?.kind !== 'cross-entropy') return;
  const ignore = loss.ignore ?? 255;
  const targetText = `target "${target}" of data set "${dataset.name}"`;
  if (found?.kind === 'mask' && ignore !== found.ignore) {
    throw new JobError({
      reason: 'data',
      message: `the loss of task "${name}" leaves out pixels of value ${ignore}, ${targetText} marks ${found.ignore} as not to count`,
      remedy: `Set the loss's \`ignore\` to ${found.ignore}.`,
    });
  }
  const skipped = found?.kind === 'class' ? found.classes[ignore] : undefined;
  if (skipped === undefined) return;
  throw new JobError({
    reason: 'data',
    message: `the loss of task "${name}" leaves out images of value ${ignore}, which is class "${skipped}" of ${targetText}`,
    remedy: "Set the loss's `ignore` to -1: every image has a class.",
  });
}

function refuseWeightCount({ name, loss }: TaskSettings, classes: number | undefined): void {
  if (loss?.kind === 'cross-entropy') refuse('classWeights', loss.classWeights, '');
  if (loss?.kind === 'bce' && loss.positiveWeights?.length !== 1)
    refuse('positiveWeights', loss.positiveWeights, ', or one for all');

  function refuse(setting: string, weights: readonly number[] = [], otherwise: string): void {
    if (weights.length === 0 || weights.length === classes) return;
    throw new JobError({
      reason: 'settings',
      message: `the loss of task "${name}" has ${weights.length} \`${setting}\`, its head gives ${classes ?? 0} classes`,
      remedy: `Give one weight for each class${otherwise}.`,
    });
  }
}

function targetRequest(dataset: Dataset, { loss, target, stride }: TaskSettings): TargetRequest {
  if (loss?.kind === 'focal-heatmap') return { form: 'heatmap', target, stride };
  const request = requestOf(dataset, target, stride);
  // Said in the words of the data set: cross-entropy compares with class numbers.
  if (loss?.kind === 'cross-entropy' && request.form !== 'class') return { form: 'mask', target, stride };
  return request;
}

/** Where the target holds class numbers: which of them do not count. */
function labelsOf(dataset: Dataset, { target }: TaskSettings): { readonly labels?: { readonly ignore: number } } {
  const kind = dataset.targets.get(target)?.kind;
  if (kind === 'mask') return { labels: { ignore: maskTarget(dataset, target).ignore } };
  return kind === 'class' ? { labels: { ignore: -1 } } : {};
}
