// The `train` job: float training of some scopes. A frozen backbone runs as its own reference graph in FLOAT, so the training
// graph holds none of it; a head that is not trained stays as it is through constants without gradients.
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import { initialCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import type { TrainState } from '../../../qat/train/forward.ts';
import { withFault } from '../faults.ts';
import { proveFrozenBackbone, proveFrozenConstants } from '../freeze-proof.ts';
import { holdBackbone } from '../frozen-backbone.ts';
import { readCheckpoint, readDataset, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { writeCheckpoint, writeReport } from '../outputs.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { TaskSettings, TrainSettings } from '../settings.ts';
import { trainTogether } from '../train-together.ts';
import { runTraining } from '../training-loop.ts';
import { float, noQuantisers, validatedBy, withTrained } from '../training-request.ts';

export async function runTrain(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<TrainSettings>(request.settings);
  if (settings.train.includes('heads')) return trainTogether(request, context, settings);
  const { train, training } = settings;
  const task = settings.task as TaskSettings;
  const network = await readNetwork(request);
  const dataset = await readDataset(request, 'data[train]', network);
  const head = headOf(task);
  const trained = train.map((scope) => (scope === 'head' ? head : scope));
  const start = new Map([
    [BACKBONE, await startOf(request, network, 'backbone', BACKBONE)],
    [head, await startOf(request, network, 'head', head)],
  ]);
  if (!trained.includes(head))
    start.set(head, withFault(request, { state: 'FLOAT', checkpoint: start.get(head) as ScopeCheckpoint }).checkpoint);
  const backbone = trained.includes(BACKBONE)
    ? undefined
    : await holdBackbone({ request, network }, 'FLOAT', start.get(BACKBONE) as ScopeCheckpoint, training.batch);
  const scopes = [...start.keys()].filter((scope) => scope !== BACKBONE || backbone === undefined);
  const result = await runTraining({
    request,
    context,
    network,
    scopes: new Map(scopes.map((scope) => [scope, trained.includes(scope) ? TRAINED : FROZEN])),
    ...noQuantisers(network),
    parameters: new Map([...start.values()].flatMap((checkpoint) => [...checkpoint.parameters])),
    tasks: [{ task, weight: 1 }],
    dataset,
    training,
    ...(backbone === undefined ? {} : { backbone: backbone.runner }),
    ...validatedBy(training, [task], (values) =>
      float([...start.values()].map((before) => withTrained(before, values))),
    ),
  });
  if (result === undefined) return { status: 'interrupted' };

  const outputs: { [port: string]: string } = {};
  for (const port of train) {
    const before = start.get(port === 'head' ? head : port) as ScopeCheckpoint;
    outputs[port] = await writeCheckpoint(context.outDir, port, withTrained(before, result));
  }
  if (backbone !== undefined)
    await proveFrozenBackbone({ request, context, network, dataset, backbone, ...result.program });
  if (!trained.includes(head)) {
    const used = start.get(head) as ScopeCheckpoint;
    const proof = { request, context, network, dataset, batch: training.batch, port: 'head', used };
    await proveFrozenConstants({ ...proof, ...result.program });
  }
  const { steps, loss, told } = result;
  outputs['report'] = await writeReport(context, 'training', told);
  return { status: 'succeeded', outputs, summary: { steps, loss, trained } };
}

const TRAINED: TrainState = { state: 'FLOAT', trained: true, batchNorm: 'train' };
const FROZEN: TrainState = { state: 'FLOAT', trained: false, batchNorm: 'frozen' };

/** The given checkpoint, or the weights that the model file carries. */
async function startOf(request: JobRequest, network: Network, port: string, scope: string): Promise<ScopeCheckpoint> {
  if (request.inputs[port] === undefined) return initialCheckpoint(network, scope);
  return readCheckpoint(request, network, port, scope, ['float']);
}
