// The `train` job: float training of some scopes. A frozen backbone runs as its own reference graph in FLOAT, so the training
// graph holds none of it; a head that is not trained stays as it is through constants without gradients.
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import { initialCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
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
import { startBackbone } from '../forward-runner.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { proveFrozenBackbone, proveFrozenConstants } from '../freeze-proof.ts';
import { withFault } from '../faults.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { TrainSettings } from '../settings.ts';
import { runTraining } from '../training-loop.ts';

export async function runTrain(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const { train, task, training } = settingsOf<TrainSettings>(request.settings);
  const network = await readNetwork(request);
  const dataset = await readDataset(request, 'data[train]');
  checkImages(dataset, network);
  const head = headOf(task);
  const start = new Map([
    [BACKBONE, await startOf(request, network, 'backbone', BACKBONE)],
    [head, await startOf(request, network, 'head', head)],
  ]);
  const trained = train.map((scope) => (scope === 'head' ? head : scope));
  const frozenBackbone = !trained.includes(BACKBONE);
  const used = withFault(request, { state: 'FLOAT', checkpoint: start.get(BACKBONE) as ScopeCheckpoint });
  if (!trained.includes(head))
    start.set(head, withFault(request, { state: 'FLOAT', checkpoint: start.get(head) as ScopeCheckpoint }).checkpoint);
  const backbone = frozenBackbone ? await startBackbone(network, used, training.batch, request.threads) : undefined;
  const scopes = [...start.keys()].filter((scope) => scope !== BACKBONE || !frozenBackbone);
  const result = await runTraining({
    context,
    network,
    scopes: new Map(
      scopes.map((scope) => [
        scope,
        { state: 'FLOAT', trained: trained.includes(scope), batchNorm: trained.includes(scope) ? 'train' : 'frozen' },
      ]),
    ),
    placement: placeQuantizers(network, new Map()),
    parameters: new Map([...start.values()].flatMap((checkpoint) => [...checkpoint.parameters])),
    ranges: new Map(),
    activationScales: 'fixed',
    averagingConstant: 0,
    tasks: [{ task, weight: 1 }],
    dataset,
    training,
    seed: request.seed,
    threads: request.threads,
    resumeFrom: request.resumeFrom,
    ...(backbone === undefined ? {} : { backbone }),
  });
  if (result === undefined) return { status: 'interrupted' };

  const outputs: { [port: string]: string } = { report: 'report.json' };
  for (const port of train) {
    const scope = port === 'head' ? head : port;
    const before = start.get(scope) as ScopeCheckpoint;
    const parameters = new Map(
      [...before.parameters.keys()].map(
        (name) => [name, result.parameters.get(name) ?? before.parameters.get(name)] as const,
      ),
    );
    outputs[port] = `${port}.safetensors`;
    await writeCheckpoint(outPath(context.outDir, `${port}.safetensors`), {
      ...before,
      parameters: parameters as ScopeCheckpoint['parameters'],
    });
  }
  const { differentiated, frozenInitializers, model } = result.program;
  if (backbone !== undefined) {
    await proveFrozenBackbone({
      request,
      context,
      network,
      dataset,
      port: 'backbone',
      declared: 'FLOAT',
      used,
      stage: backbone,
      batch: training.batch,
      differentiated,
    });
  }
  if (!trained.includes(head)) {
    await proveFrozenConstants({
      request,
      context,
      network,
      port: 'head',
      used: start.get(head) as ScopeCheckpoint,
      model,
      frozenInitializers,
      differentiated,
    });
  }
  await writeJson(outPath(context.outDir, 'report.json'), {
    format: 'headgate-training',
    version: 1,
    steps: result.steps,
    epochs: result.epochs,
  });
  return {
    status: 'succeeded',
    outputs,
    summary: { steps: result.steps, loss: result.epochs.at(-1)?.['loss'] ?? 0, trained },
  };
}

/** The given checkpoint, or the weights that the model file carries. */
async function startOf(request: JobRequest, network: Network, port: string, scope: string): Promise<ScopeCheckpoint> {
  if (request.inputs[port] === undefined) return initialCheckpoint(network, scope);
  return readCheckpoint(request, network, port, scope, ['float']);
}
