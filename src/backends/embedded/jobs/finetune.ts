// The `finetune` job: a float head adapts to the features of the frozen, fake-quantised backbone (in VALIDATION, run as its
// own reference graph). Optionally it is also pulled towards the outputs of the head it started from.
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import { proveFrozenBackbone } from '../freeze-proof.ts';
import { holdBackbone, readQuantisedBackbone } from '../frozen-backbone.ts';
import { readCheckpoint, readDataset, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { writeCheckpoint, writeReport } from '../outputs.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { FinetuneSettings } from '../settings.ts';
import { outputOf } from '../tasks.ts';
import { startHeadTeacher } from '../teachers.ts';
import { runTraining } from '../training-loop.ts';
import { float, noQuantisers, validatedBy, withTrained } from '../training-request.ts';

export async function runFinetune(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const { task, training, distill = 0, distance } = settingsOf<FinetuneSettings>(request.settings);
  const network = await readNetwork(request);
  const dataset = await readDataset(request, 'data[train]', network);
  const head = headOf(task);
  const start = await readCheckpoint(request, network, 'head', head, ['float']);
  const quantised = await readQuantisedBackbone(request, network);
  const backbone = await holdBackbone({ request, network }, 'VALIDATION', quantised, training.batch);
  const lesson = { request, network, checkpoint: start, weight: distill, distance };
  const teacher = distill > 0 ? await startHeadTeacher(lesson, outputOf(network, task), backbone) : undefined;
  const result = await runTraining({
    request,
    context,
    network,
    scopes: new Map([[head, { state: 'FLOAT', trained: true, batchNorm: 'train' }]]),
    ...noQuantisers(network),
    parameters: start.parameters,
    tasks: [{ task, weight: 1 }],
    dataset,
    training,
    backbone: backbone.runner,
    ...(teacher === undefined ? {} : { teacher }),
    ...validatedBy(
      training,
      [task],
      (values) => new Map([[BACKBONE, backbone.used], ...float([withTrained(start, values)])]),
    ),
  });
  if (result === undefined) return { status: 'interrupted' };

  const { steps, loss, told, program } = result;
  const tuned = await writeCheckpoint(context.outDir, 'head', withTrained(start, result));
  await proveFrozenBackbone({ request, context, network, dataset, backbone, ...program });
  const report = await writeReport(context, 'training', told);
  return { status: 'succeeded', outputs: { head: tuned, report }, summary: { steps, loss } };
}
