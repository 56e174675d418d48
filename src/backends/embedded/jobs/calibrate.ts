// The `calibrate` job: observes activations with fake-quant off, sets scales, leaves weights alone. A head is observed on
// its frozen backbone in VALIDATION.
import { evaluationBatches, ImageBatcher } from '../../../data/batches.ts';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { scopeDigest } from '../../../qat/quantize/checkpoint.ts';
import type { Range } from '../../../qat/quantize/checkpoint.ts';
import { Observation } from '../../../qat/quantize/observers.ts';
import type { Observer } from '../../../qat/quantize/observers.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import type { Tensor } from '../../../support/tensor.ts';
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
import { ForwardRunner, startBackbone } from '../forward-runner.ts';
import { proveFrozenBackbone } from '../freeze-proof.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { checkScales, scopeName, scopeWeightScales } from '../quantised-scope.ts';
import { settingsOf } from '../settings.ts';
import type { CalibrateSettings, ObserverSettings } from '../settings.ts';

export async function runCalibrate(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<CalibrateSettings>(request.settings);
  const network = await readNetwork(request);
  const dataset = await readDataset(request, 'data[calibration]');
  checkImages(dataset, network);
  const scope = scopeName(settings.scope, settings.task);
  const checkpoint = await readCheckpoint(request, network, settings.scope, scope, ['float']);
  const backbone =
    settings.scope === 'backbone'
      ? undefined
      : withFault(request, {
          state: 'VALIDATION',
          checkpoint: await readCheckpoint(request, network, 'backbone', BACKBONE, ['calibrated', 'qat']),
        });
  const profiles = new Map([[scope, settings.profile]]);
  if (backbone?.checkpoint.quant !== undefined) profiles.set(BACKBONE, backbone.checkpoint.quant.profile);
  const placement = placeQuantizers(network, profiles);
  const values = [...placement.activations.values()]
    .filter((quantizer) => quantizer.scope === scope)
    .map((quantizer) => quantizer.value);

  const batches = evaluationBatches(dataset.count, settings.batch)
    .filter(({ valid }) => valid === settings.batch)
    .slice(0, settings.batches);
  if (batches.length === 0) {
    throw new JobError({
      reason: 'data',
      message: `the calibration set has ${dataset.count} images, fewer than one batch of ${settings.batch}`,
    });
  }
  const scopes = new Map<string, ScopeForward>([[scope, { state: 'FLOAT', checkpoint }]]);
  if (backbone !== undefined) scopes.set(BACKBONE, backbone);
  const runner = await ForwardRunner.start({
    network,
    scopes,
    outputs: values,
    batch: settings.batch,
    threads: request.threads,
  });
  const batcher = new ImageBatcher(dataset);
  const observations = new Map(values.map((value) => [value, new Observation(observerOf(settings.observer))]));
  const passes = [...observations.values()].some((observation) => observation.needsSecondPass) ? 2 : 1;
  for (let pass = 0; pass < passes; pass++) {
    for (const [index, { indices }] of batches.entries()) {
      if (context.interrupted()) return { status: 'interrupted' };
      const seen = await runner.run(new Map<string, Tensor>([[network.input.name, batcher.images(indices)]]));
      for (const [value, observation] of observations) {
        const data = seen.get(value)?.data as Float32Array;
        if (pass === 0) observation.observe(data);
        else observation.count(data);
      }
      context.emit({
        type: 'progress',
        unit: 'batch',
        done: pass * batches.length + index + 1,
        total: passes * batches.length,
      });
    }
  }
  await runner.release();

  const activations = rangesOf(placement, observations);
  const weights = scopeWeightScales(network, placement, scope, checkpoint.parameters);
  checkScales(context, activations, weights);
  await writeCheckpoint(outPath(context.outDir, `${settings.scope}.safetensors`), {
    ...checkpoint,
    state: 'calibrated',
    quant: { profile: settings.profile, activations, weights },
    ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone.checkpoint) }),
  });
  if (backbone !== undefined) await proveBackbone(request, context, network, backbone, settings.batch, dataset);
  await writeJson(outPath(context.outDir, 'report.json'), {
    format: 'headgate-calibration',
    version: 1,
    scope,
    images: batches.length * settings.batch,
    activations: Object.fromEntries([...activations].map(([value, range]) => [value, { ...range }])),
  });
  return {
    status: 'succeeded',
    outputs: { [settings.scope]: `${settings.scope}.safetensors`, report: 'report.json' },
    summary: { scope, activations: activations.size, weights: weights.size, images: batches.length * settings.batch },
  };
}

function rangesOf(placement: Placement, observations: ReadonlyMap<string, Observation>): ReadonlyMap<string, Range> {
  const ranges = new Map<string, Range>();
  for (const [value, observation] of observations) {
    const format = placement.activations.get(value)?.format;
    const range = format === undefined ? undefined : observation.range(format);
    if (range === undefined) {
      throw new JobError({
        reason: 'empty-scale',
        message: `the observer of activation "${value}" saw no finite value (min ${observation.min}, max ${observation.max})`,
      });
    }
    ranges.set(value, range);
  }
  return ranges;
}

async function proveBackbone(
  request: JobRequest,
  context: JobContext,
  network: Network,
  used: ScopeForward,
  batch: number,
  dataset: Parameters<typeof checkImages>[0],
): Promise<void> {
  const stage = await startBackbone(network, used, batch, request.threads);
  await proveFrozenBackbone({
    request,
    context,
    network,
    dataset,
    port: 'backbone',
    declared: 'VALIDATION',
    used,
    stage,
    batch,
    differentiated: [],
  });
  await stage.release();
}

function observerOf(settings: ObserverSettings): Observer {
  switch (settings.kind) {
    case 'min-max':
      return { kind: 'min-max' };
    case 'moving-average':
      return { kind: 'moving-average', averagingConstant: settings.averagingConstant ?? 0.01 };
    case 'percentile':
      return { kind: 'percentile', percentile: settings.percentile ?? 99.99 };
    case 'mse':
      return { kind: 'mse', candidates: settings.candidates ?? 80 };
  }
}
