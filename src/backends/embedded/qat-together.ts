// Joint QAT: the backbone and all heads in one graph, fake-quantised and trained on the weighted sum of the heads' losses.
// Nothing is frozen, so there is nothing to prove: the rival that the strategy is compared with.
import type { JobRequest } from '../../events/job-protocol.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import { LoadError, scopeDigest } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../qat/quantize/placement.ts';
import type { TrainState } from '../../qat/train/forward.ts';
import type { JsonObject } from '../../support/json.ts';
import { commonData } from './common-data.ts';
import { probeOf, proveDeployed } from './deployed-proof.ts';
import { readCheckpoint, readDataset, readNetwork } from './inputs.ts';
import type { JobContext, JobOutcome } from './job-context.ts';
import { writeCheckpoint, writeReport } from './outputs.ts';
import { qatQuantisers, quantOf, startingParameters, trainedScope } from './qat-quantisers.ts';
import { checkScales } from './quantised-scope.ts';
import { headOf } from './settings.ts';
import type { QatSettings } from './settings.ts';
import { outputOf } from './tasks.ts';
import { startModelTeacher } from './teachers.ts';
import type { Teacher } from './teachers.ts';
import { runTraining } from './training-loop.ts';
import { validatedBy } from './training-request.ts';

/** Outputs: `backbone`, and `head[<task>]` for every task of the objective, made for that backbone. */
export async function qatTogether(
  request: JobRequest,
  context: JobContext,
  settings: QatSettings,
): Promise<JobOutcome> {
  const network = await readNetwork(request);
  const { tasks = [], objective, profile, training, bn } = settings;
  const trunk = await readCheckpoint(request, network, 'backbone', BACKBONE, ['calibrated', 'qat']);
  const starts = new Map<string, ScopeCheckpoint>([['backbone', trunk]]);
  for (const task of tasks) {
    const port = `heads[${task.name}]`;
    const head = await readCheckpoint(request, network, port, headOf(task), ['calibrated', 'qat']);
    if (head.backbone !== scopeDigest(trunk))
      throw new LoadError(`head "${head.scope}" was calibrated on another backbone: calibrate it on this one`);
    starts.set(`head[${task.name}]`, head);
  }
  const scopes = [...starts.values()];
  const placement = placeQuantizers(network, new Map(scopes.map(({ scope }) => [scope, profile])));
  const dataset = await readDataset(request, commonData(request, tasks), network);
  const teacher = (objective.distill ?? 0) > 0 ? await startTeacher(request, network, settings) : undefined;
  const result = await runTraining({
    request,
    context,
    network,
    scopes: new Map(
      scopes.map(({ scope }): [string, TrainState] => [scope, { state: 'QAT', trained: true, batchNorm: bn }]),
    ),
    ...qatQuantisers(
      settings,
      placement,
      scopes.map((start) => quantOf(start, settings)),
    ),
    parameters: new Map(scopes.flatMap((start) => [...startingParameters(network, settings, start)])),
    tasks: tasks.map((task) => ({ task, weight: objective.tasks?.[task.name] ?? 1 })),
    dataset,
    training,
    ...(teacher === undefined ? {} : { teacher }),
    ...validatedBy(training, tasks, (values) => {
      const made = scopes.map((start) => ({ ...start, ...trainedScope(network, placement, settings, start, values) }));
      return new Map(made.map((checkpoint) => [checkpoint.scope, { state: 'VALIDATION', checkpoint }]));
    }),
  });
  if (result === undefined) return { status: 'interrupted' };
  const outputs: { [port: string]: string } = {};
  const channels: { [scope: string]: JsonObject } = {};
  const deployed: { [scope: string]: JsonObject } = {};
  let backbone: ScopeCheckpoint | undefined;
  for (const [port, start] of starts) {
    const { backbone: _, ...rest } = start;
    const made = trainedScope(network, placement, settings, start, result);
    const { parameters, quant } = made;
    channels[start.scope] = checkScales(context, { network, placement, parameters, ...quant });
    const trained: ScopeCheckpoint = {
      ...rest,
      ...made,
      ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone) }),
    };
    outputs[port] = await writeCheckpoint(context.outDir, start.scope, trained);
    deployed[start.scope] = await proveDeployed(context, {
      network,
      placement,
      checkpoint: trained,
      below: backbone === undefined ? [] : [backbone],
      images: probeOf(dataset),
      threads: request.threads,
      weightScales: settings.weightScales ?? 'derived',
    });
    backbone ??= trained;
  }
  const { steps, loss, told } = result;
  outputs['report'] = await writeReport(context, 'training', { ...told, channels, deployed });
  return { status: 'succeeded', outputs, summary: { scopes: scopes.map(({ scope }) => scope), steps, loss } };
}

/** The float model, which teaches every head's output. */
async function startTeacher(
  request: JobRequest,
  network: Network,
  { tasks = [], objective: { distill = 0, distance }, training }: QatSettings,
): Promise<Teacher> {
  const checkpoints = [await readCheckpoint(request, network, 'teacher', BACKBONE, ['float'])];
  for (const task of tasks)
    checkpoints.push(await readCheckpoint(request, network, `teachers[${task.name}]`, headOf(task), ['float']));
  const lesson = { request, network, weight: distill, distance };
  const outputs = tasks.map((task) => outputOf(network, task));
  return startModelTeacher(lesson, checkpoints, outputs, training.batch);
}
