// The `calibrate` job: observes activations with fake-quant off, sets scales, leaves weights alone. A head is observed on
// its frozen backbone in VALIDATION.
import { evaluationBatches, ImageBatcher } from '../../../data/batches.ts';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { scopeDigest } from '../../../qat/quantize/checkpoint.ts';
import { Observation } from '../../../qat/quantize/observers.ts';
import type { Observer } from '../../../qat/quantize/observers.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { ForwardRunner } from '../forward-runner.ts';
import { proveFrozenBackbone } from '../freeze-proof.ts';
import { holdBackbone, readQuantisedBackbone } from '../frozen-backbone.ts';
import { readCheckpoint, readDataset, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { writeCheckpoint, writeReport } from '../outputs.ts';
import { checkScales, observedRanges, scopeName, scopeWeightScales } from '../quantised-scope.ts';
import { settingsOf } from '../settings.ts';
import type { CalibrateSettings, ObserverSettings } from '../settings.ts';

export async function runCalibrate(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<CalibrateSettings>(request.settings);
  const network = await readNetwork(request);
  const dataset = await readDataset(request, 'data[calibration]', network);
  const scope = scopeName(settings.scope, settings.task);
  const checkpoint = await readCheckpoint(request, network, settings.scope, scope, ['float']);
  const backbone =
    settings.scope === 'backbone'
      ? undefined
      : await holdBackbone(
          { request, network },
          'VALIDATION',
          await readQuantisedBackbone(request, network),
          settings.batch,
        );
  const profiles = new Map([[scope, settings.profile]]);
  if (backbone?.used.checkpoint.quant !== undefined) profiles.set(BACKBONE, backbone.used.checkpoint.quant.profile);
  const placement = placeQuantizers(network, profiles);
  const values = [...placement.ranges].filter(([, quantizer]) => quantizer.scope === scope).map(([value]) => value);

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
  if (backbone !== undefined) scopes.set(BACKBONE, backbone.used);
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

  const activations = observedRanges(placement, observations);
  const weights = scopeWeightScales(network, placement, scope, checkpoint.parameters);
  checkScales(context, activations, weights);
  const file = await writeCheckpoint(context.outDir, settings.scope, {
    ...checkpoint,
    state: 'calibrated',
    quant: { profile: settings.profile, activations, weights },
    ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone.used.checkpoint) }),
  });
  if (backbone !== undefined)
    await proveFrozenBackbone({ request, context, network, dataset, backbone, differentiated: [] });
  const images = batches.length * settings.batch;
  const report = await writeReport(context, 'calibration', {
    scope,
    images,
    activations: Object.fromEntries([...activations].map(([value, range]) => [value, { ...range }])),
  });
  return {
    status: 'succeeded',
    outputs: { [settings.scope]: file, report },
    summary: { scope, activations: activations.size, weights: weights.size, images },
  };
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
