// The `finetune` job: a float head adapts to the features of the frozen, fake-quantised backbone (in VALIDATION, run as its
// own reference graph). Optionally it is also pulled towards the outputs of the head it started from.
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import {
  checkImages,
  outPath,
  readCheckpoint,
  readDataset,
  readNetwork,
  writeCheckpoint,
  writeJson,
} from '../artifacts.ts';
import { withFault } from '../faults.ts';
import { boundaryShapesOf, ForwardRunner, startBackbone } from '../forward-runner.ts';
import { proveFrozenBackbone } from '../freeze-proof.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { FinetuneSettings } from '../settings.ts';
import { outputOf } from '../tasks.ts';
import { runTraining } from '../training-loop.ts';

export async function runFinetune(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const { task, training, distill = 0 } = settingsOf<FinetuneSettings>(request.settings);
  const network = await readNetwork(request);
  const dataset = await readDataset(request, 'data[train]');
  checkImages(dataset, network);
  const head = headOf(task);
  const start = await readCheckpoint(request, network, 'head', head, ['float']);
  const used = withFault(request, {
    state: 'VALIDATION',
    checkpoint: await readCheckpoint(request, network, 'backbone', BACKBONE, ['calibrated', 'qat']),
  });
  const backbone = await startBackbone(network, used, training.batch, request.threads);
  const values = [outputOf(network, task)];
  const teacher =
    distill > 0
      ? await ForwardRunner.start({
          network,
          scopes: new Map([[head, { state: 'FLOAT', checkpoint: start }]]),
          outputs: values,
          batch: training.batch,
          threads: request.threads,
          boundaryShapes: await boundaryShapesOf(network, backbone, training.batch),
        })
      : undefined;
  const result = await runTraining({
    context,
    network,
    scopes: new Map([[head, { state: 'FLOAT', trained: true, batchNorm: 'train' }]]),
    placement: placeQuantizers(network, new Map()),
    parameters: start.parameters,
    ranges: new Map(),
    activationScales: 'fixed',
    averagingConstant: 0,
    tasks: [{ task, weight: 1 }],
    dataset,
    training,
    seed: request.seed,
    threads: request.threads,
    resumeFrom: request.resumeFrom,
    backbone,
    ...(teacher === undefined ? {} : { teacher: { runner: teacher, values, weight: distill } }),
  });
  if (result === undefined) return { status: 'interrupted' };
  await writeCheckpoint(outPath(context.outDir, 'head.safetensors'), { ...start, parameters: result.parameters });
  await proveFrozenBackbone({
    request,
    context,
    network,
    dataset,
    port: 'backbone',
    declared: 'VALIDATION',
    used,
    stage: backbone,
    batch: training.batch,
    differentiated: result.program.differentiated,
  });
  await writeJson(outPath(context.outDir, 'report.json'), {
    format: 'headgate-training',
    version: 1,
    steps: result.steps,
    epochs: result.epochs,
  });
  return {
    status: 'succeeded',
    outputs: { head: 'head.safetensors', report: 'report.json' },
    summary: { steps: result.steps, loss: result.epochs.at(-1)?.['loss'] ?? 0 },
  };
}
