// The `qat` job. Backbone: trained quantised through frozen float heads (constants of the same graph), or towards a float
// teacher's boundary features, or both. Head: trained quantised on the frozen backbone, which runs in VALIDATION as its own
// reference graph. Weight scales are re-derived from the final weights.
import type { Dataset } from '../../../data/dataset.ts';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import { LoadError, scopeDigest } from '../../../qat/quantize/checkpoint.ts';
import type { QuantState, ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import type { Profile } from '../../../qat/quantize/scheme.ts';
import type { TrainState } from '../../../qat/train/forward.ts';
import { probeOf, proveDeployed } from '../deployed-proof.ts';
import { withFault } from '../faults.ts';
import { proveFrozenBackbone, proveFrozenConstants } from '../freeze-proof.ts';
import { holdBackbone, readQuantisedBackbone } from '../frozen-backbone.ts';
import { withGivenProfile } from '../given-profile.ts';
import { readCheckpoint, readDataset, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { writeCheckpoint, writeReport } from '../outputs.ts';
import { commonData } from '../common-data.ts';
import { qatQuantisers, quantOf, startingParameters, trainedScope } from '../qat-quantisers.ts';
import { qatTogether } from '../qat-together.ts';
import { checkScales, scopeName } from '../quantised-scope.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { QatSettings, TaskSettings } from '../settings.ts';
import { outputOf } from '../tasks.ts';
import { startBackboneTeacher, startHeadTeacher } from '../teachers.ts';
import type { Lesson } from '../teachers.ts';
import { runTraining } from '../training-loop.ts';
import type { TrainingResult } from '../training-loop.ts';
import { float, validatedBy } from '../training-request.ts';

export async function runQat(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = await withGivenProfile(request, settingsOf<QatSettings>(request.settings));
  if (settings.scope === 'all') return qatTogether(request, context, settings);
  const network = await readNetwork(request);
  const scope = scopeName(settings.scope, settings.task);
  const start = await readCheckpoint(request, network, settings.scope, scope, ['calibrated', 'qat']);
  const quant = quantOf(start, settings);
  const work: Work = { request, context, settings, network, scope, start, quant };
  const trained = settings.scope === 'backbone' ? await trainBackbone(work) : await trainHead(work);
  if (trained === undefined) return { status: 'interrupted' };
  const { result, placement, dataset, backbone } = trained;

  const finished = trainedScope(network, placement, settings, start, result);
  const { parameters, quant: trainedQuant } = finished;
  const channels = checkScales(context, { network, placement, parameters, ...trainedQuant });
  const checkpoint: ScopeCheckpoint = {
    ...start,
    ...finished,
    ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone) }),
  };
  const file = await writeCheckpoint(context.outDir, settings.scope, checkpoint);
  const deployed = await proveDeployed(context, {
    network,
    placement,
    checkpoint,
    below: backbone === undefined ? [] : [backbone],
    images: probeOf(dataset),
    threads: request.threads,
    weightScales: settings.weightScales ?? 'derived',
  });
  const { steps, loss, told } = result;
  const report = await writeReport(context, 'training', { ...told, channels, deployed });
  const { activationScales } = settings;
  return {
    status: 'succeeded',
    outputs: { [settings.scope]: file, report },
    summary: { scope, steps, loss, activationScales },
  };
}

interface Work {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly settings: QatSettings;
  readonly network: Network;
  readonly scope: string;
  readonly start: ScopeCheckpoint;
  readonly quant: QuantState;
}

interface Trained {
  readonly result: TrainingResult;
  readonly placement: Placement;
  readonly dataset: Dataset;
  /** The frozen backbone a head was trained on. */
  readonly backbone?: ScopeCheckpoint;
}

async function trainBackbone(work: Work): Promise<Trained | undefined> {
  const { request, context, settings, network, start } = work;
  const weights = settings.objective.tasks ?? {};
  const tasks = (settings.tasks ?? []).filter((task) => (weights[task.name] ?? 0) > 0);
  const dataset = await readDataset(request, commonData(request, tasks), network);
  const heads = new Map<string, ScopeCheckpoint>();
  for (const task of tasks) {
    const head = headOf(task);
    const loaded = await readCheckpoint(request, network, `heads[${task.name}]`, head, ['float']);
    heads.set(head, withFault(request, { state: 'FLOAT', checkpoint: loaded }).checkpoint);
  }
  const placement = placeQuantizers(network, new Map([[BACKBONE, settings.profile]]));
  const lesson = await lessonOf(work);
  const teacher = lesson === undefined ? undefined : await startBackboneTeacher(lesson, settings.training.batch);
  const result = await runTraining({
    request,
    context,
    network,
    training: settings.training,
    ...qatQuantisers(settings, placement, [work.quant]),
    scopes: new Map<string, TrainState>([
      [BACKBONE, { state: 'QAT', trained: true, batchNorm: settings.bn }],
      ...[...heads.keys()].map((head): [string, TrainState] => [
        head,
        { state: 'FLOAT', trained: false, batchNorm: 'frozen' },
      ]),
    ]),
    parameters: new Map([
      ...startingParameters(network, settings, start),
      ...[...heads.values()].flatMap((head) => [...head.parameters]),
    ]),
    tasks: tasks.map((task) => ({ task, weight: weights[task.name] ?? 0 })),
    dataset,
    ...(teacher === undefined ? {} : { teacher }),
    ...validatedBy(settings.training, tasks, (values) => {
      const checkpoint = { ...start, ...trainedScope(network, placement, settings, start, values) };
      return new Map([[BACKBONE, { state: 'VALIDATION', checkpoint }], ...float(heads.values())]);
    }),
  });
  if (result === undefined) return undefined;
  for (const task of tasks) {
    const used = heads.get(headOf(task)) as ScopeCheckpoint;
    const { batch } = settings.training;
    const proof = { request, context, network, dataset, batch, port: `heads[${task.name}]`, used };
    await proveFrozenConstants({ ...proof, ...result.program });
  }
  return { result, placement, dataset };
}

async function trainHead(work: Work): Promise<Trained | undefined> {
  const { request, context, settings, network, scope, start } = work;
  const task = settings.task as TaskSettings;
  const dataset = await readDataset(request, 'data[train]', network);
  const loaded = await readQuantisedBackbone(request, network);
  if (start.backbone !== scopeDigest(loaded)) {
    throw new LoadError(
      `head "${scope}" was calibrated on another backbone (${start.backbone?.slice(0, 12) ?? 'none'}, here ${scopeDigest(loaded).slice(0, 12)}): calibrate it on this one`,
    );
  }
  const backbone = await holdBackbone(work, 'VALIDATION', loaded, settings.training.batch);
  const { checkpoint } = backbone.used;
  const placement = placeQuantizers(
    network,
    new Map([
      [BACKBONE, checkpoint.quant?.profile as Profile],
      [scope, settings.profile],
    ]),
  );
  const lesson = await lessonOf(work);
  const teacher = lesson === undefined ? undefined : await startHeadTeacher(lesson, outputOf(network, task), backbone);
  const result = await runTraining({
    request,
    context,
    network,
    training: settings.training,
    ...qatQuantisers(settings, placement, [work.quant]),
    scopes: new Map([[scope, { state: 'QAT', trained: true, batchNorm: settings.bn }]]),
    parameters: startingParameters(network, settings, start),
    tasks: [{ task, weight: 1 }],
    dataset,
    backbone: backbone.runner,
    ...(teacher === undefined ? {} : { teacher }),
    ...validatedBy(settings.training, [task], (values) => {
      const head = { ...start, ...trainedScope(network, placement, settings, start, values) };
      return new Map([
        [BACKBONE, backbone.used],
        [scope, { state: 'VALIDATION', checkpoint: { ...head, backbone: scopeDigest(checkpoint) } }],
      ]);
    }),
  });
  if (result === undefined) return undefined;
  await proveFrozenBackbone({ request, context, network, dataset, backbone, ...result.program });
  return { result, placement, dataset, backbone: checkpoint };
}

/** The float scope to stay near; undefined where the objective does not ask for it. */
async function lessonOf({ request, settings, network, scope }: Work): Promise<Lesson | undefined> {
  const weight = settings.objective.distill ?? 0;
  if (weight === 0) return undefined;
  return {
    request,
    network,
    checkpoint: await readCheckpoint(request, network, 'teacher', scope, ['float']),
    weight,
    distance: settings.objective.distance,
  };
}
