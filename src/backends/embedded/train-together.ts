// Float training of the backbone and several heads at once, on the weighted sum of their losses.
import type { JobRequest } from '../../events/job-protocol.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import { initialCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { TrainState } from '../../qat/train/forward.ts';
import { proveFrozenBackbone } from './freeze-proof.ts';
import { holdBackbone } from './frozen-backbone.ts';
import { commonData } from './common-data.ts';
import { readCheckpoint, readDataset, readNetwork } from './inputs.ts';
import type { JobContext, JobOutcome } from './job-context.ts';
import { writeCheckpoint, writeReport } from './outputs.ts';
import { headOf } from './settings.ts';
import type { TrainSettings } from './settings.ts';
import { runTraining } from './training-loop.ts';
import { float, noQuantisers, validatedBy, withTrained } from './training-request.ts';

const TRAINED: TrainState = { state: 'FLOAT', trained: true, batchNorm: 'train' };

/** Outputs: `backbone` where it is trained, and `head[<task>]` for every task. */
export async function trainTogether(
  request: JobRequest,
  context: JobContext,
  { train, tasks = [], weights = {}, training }: TrainSettings,
): Promise<JobOutcome> {
  const network = await readNetwork(request);
  const dataset = await readDataset(request, commonData(request, tasks), network);
  const start = async (port: string, scope: string): Promise<ScopeCheckpoint> =>
    request.inputs[port] === undefined
      ? initialCheckpoint(network, scope)
      : readCheckpoint(request, network, port, scope, ['float']);
  const trunk = await start('backbone', BACKBONE);
  const backbone = train.includes('backbone')
    ? undefined
    : await holdBackbone({ request, network }, 'FLOAT', trunk, training.batch);
  const trained = new Map<string, ScopeCheckpoint>(backbone === undefined ? [['backbone', trunk]] : []);
  for (const task of tasks) trained.set(`head[${task.name}]`, await start(`heads[${task.name}]`, headOf(task)));
  const result = await runTraining({
    request,
    context,
    network,
    scopes: new Map([...trained.values()].map(({ scope }) => [scope, TRAINED])),
    ...noQuantisers(network),
    parameters: new Map([...trained.values()].flatMap(({ parameters }) => [...parameters])),
    tasks: tasks.map((task) => ({ task, weight: weights[task.name] ?? 1 })),
    dataset,
    training,
    ...(backbone === undefined ? {} : { backbone: backbone.runner }),
    ...validatedBy(training, tasks, (values) => {
      const held = backbone === undefined ? [] : [trunk];
      return float([...held, ...[...trained.values()].map((before) => withTrained(before, values))]);
    }),
  });
  if (result === undefined) return { status: 'interrupted' };
  const outputs: { [port: string]: string } = {};
  for (const [port, before] of trained) {
    outputs[port] = await writeCheckpoint(context.outDir, before.scope, withTrained(before, result));
  }
  if (backbone !== undefined)
    await proveFrozenBackbone({ request, context, network, dataset, backbone, ...result.program });
  const { steps, loss, told } = result;
  outputs['report'] = await writeReport(context, 'training', told);
  return {
    status: 'succeeded',
    outputs,
    summary: { steps, loss, trained: [...trained.values()].map(({ scope }) => scope) },
  };
}
