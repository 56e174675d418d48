// A task's loss that the user wrote as an ONNX file: read as untrusted data, checked before any step is spent.
import { readFile } from 'node:fs/promises';
import { decodeModel, OnnxError } from '../../qat/onnx/codec.ts';
import { checkLossGraph } from '../../qat/train/loss-graph.ts';
import type { LossGraph } from '../../qat/train/loss-graph.ts';
import { inputPath } from './inputs.ts';
import { JobError } from './job-error.ts';
import { headOf } from './settings.ts';
import type { TaskSettings } from './settings.ts';
import type { TrainingRequest } from './training-request.ts';

/** Undefined for a task with a built-in loss. @throws JobError when the file is no loss. */
export async function readLossGraph(
  { request, network }: Pick<TrainingRequest, 'request' | 'network'>,
  task: TaskSettings,
): Promise<LossGraph | undefined> {
  if (task.loss?.kind !== 'onnx') return undefined;
  const bytes = await readFile(inputPath(request, `loss[${task.name}]`));
  try {
    return await checkLossGraph(decodeModel(bytes), network.scopes.heads[headOf(task)]?.outputs ?? []);
  } catch (cause) {
    if (!(cause instanceof OnnxError)) throw cause;
    throw new JobError({
      reason: 'corrupt-onnx',
      message: `the loss of task "${task.name}": ${cause.message}`,
      remedy: 'A loss is an ONNX graph with inputs "output" and "target" and one float32 scalar as output.',
    });
  }
}
