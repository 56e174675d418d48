// The `calibrate` job: observes activations with fake-quant off and sets scales. A head is observed on its frozen backbone in
// VALIDATION. Given the statistics of an earlier observation it runs no network: only the scales are found anew. Weights stay
// as they are unless equalisation or bias correction was asked for.
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import { LoadError, scopeDigest } from '../../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import { scopeWeightScales } from '../../../qat/quantize/deploy.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import { decodeStatistics, encodeStatistics } from '../../../qat/quantize/statistics.ts';
import type { ScopeStatistics } from '../../../qat/quantize/statistics.ts';
import { correctableLayers } from '../../../qat/transform/condition.ts';
import { writeFileAtomic } from '../../../support/atomic-file.ts';
import { decodeSafetensors, encodeSafetensors } from '../../../support/safetensors.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { calibrationBatches, openCalibrationSets } from '../calibration-sets.ts';
import { noiseProbe, probeOf, proveDeployed } from '../deployed-proof.ts';
import { asLoaded, biasCorrected, equalised, proveFunction, proveParent } from '../conditioning.ts';
import { proveFrozenBackbone } from '../freeze-proof.ts';
import { holdBackbone, readQuantisedBackbone } from '../frozen-backbone.ts';
import { withGivenProfile } from '../given-profile.ts';
import { inputPath, readCheckpoint, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { observeScope } from '../observe-scope.ts';
import { observerOf } from '../observer-settings.ts';
import { writeCheckpoint, writeReport } from '../outputs.ts';
import { checkScales, observedRanges, scopeName } from '../quantised-scope.ts';
import { settingsOf } from '../settings.ts';
import type { CalibrateSettings } from '../settings.ts';

export async function runCalibrate(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = await withGivenProfile(request, settingsOf<CalibrateSettings>(request.settings));
  const observer = observerOf(settings.observer);
  const network = await readNetwork(request);
  const scope = scopeName(settings.scope, settings.task);
  const parent = await readCheckpoint(request, network, settings.scope, scope, ['float']);
  const backbone = settings.scope === 'head' ? await readQuantisedBackbone(request, network) : undefined;
  const profiles = new Map([[scope, settings.profile]]);
  if (backbone?.quant !== undefined) profiles.set(BACKBONE, backbone.quant.profile);
  const work: Work = { request, context, settings, network, scope, placement: placeQuantizers(network, profiles) };

  const loaded = asLoaded(parent);
  const prepared = settings.equalise === true ? equalised(context, network, loaded) : loaded;
  const stored = request.inputs['statistics'] !== undefined;
  const statistics = stored
    ? await readStatistics(work, prepared.checkpoint, backbone)
    : await observe(work, parent, prepared.checkpoint, backbone);
  if (statistics === undefined) return { status: 'interrupted' };

  const found = observedRanges(work.placement, statistics.activations, observer);
  const activations = new Map([...found].map(([value, { range }]) => [value, range]));
  const weights = scopeWeightScales(network, work.placement, scope, prepared.checkpoint.parameters);
  const { placement } = work;
  const { parameters } = prepared.checkpoint;
  const channels = checkScales(context, { network, placement, parameters, activations, weights });
  const finished =
    settings.biasCorrection === true
      ? biasCorrected(context, network, prepared, placement, weights, statistics.inputMeans)
      : prepared;
  const calibrated: ScopeCheckpoint = {
    ...finished.checkpoint,
    state: 'calibrated',
    quant: { profile: settings.profile, activations, weights },
    ...(backbone === undefined ? {} : { backbone: scopeDigest(backbone) }),
  };
  const file = await writeCheckpoint(context.outDir, settings.scope, calibrated);
  await proveParent(context, parent, file, finished);
  const deployed = await proveDeployed(context, {
    network,
    placement,
    checkpoint: calibrated,
    below: backbone === undefined ? [] : [backbone],
    images: await probeImages(work, stored),
    threads: request.threads,
  });
  const report = await writeReport(context, 'calibration', {
    scope,
    images: statistics.images,
    transformations: [...finished.words],
    activations: Object.fromEntries([...found].map(([value, { range, by }]) => [value, { ...range, by }])),
    channels,
    deployed,
  });
  return {
    status: 'succeeded',
    outputs: { [settings.scope]: file, report, ...(stored ? {} : { statistics: STATISTICS_FILE }) },
    summary: { scope, activations: activations.size, weights: weights.size, images: statistics.images },
  };
}

interface Work {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly settings: CalibrateSettings;
  readonly network: Network;
  readonly scope: string;
  readonly placement: Placement;
}

/** The first images of the calibration data, where the stage reads any. */
async function probeImages({ request, settings, network }: Work, stored: boolean): Promise<Tensor> {
  if (stored) return noiseProbe(network);
  const [set] = await openCalibrationSets(request, network, settings);
  return set === undefined ? noiseProbe(network) : probeOf(set.dataset);
}

const STATISTICS_FILE = 'statistics.safetensors';

/** Runs the network, proves what was held frozen, and writes what was seen. */
async function observe(
  { request, context, settings, network, scope, placement }: Work,
  parent: ScopeCheckpoint,
  checkpoint: ScopeCheckpoint,
  quantised: ScopeCheckpoint | undefined,
): Promise<ScopeStatistics | undefined> {
  const { threads } = request;
  const sets = await openCalibrationSets(request, network, settings);
  const backbone =
    quantised === undefined
      ? undefined
      : await holdBackbone({ request, network }, 'VALIDATION', quantised, settings.batch);
  const statistics = await observeScope(context, {
    network,
    checkpoint,
    ...(backbone === undefined ? {} : { backbone: backbone.used }),
    values: valuesOf(placement, scope),
    layers: settings.biasCorrection === true ? correctableLayers(network, scope) : [],
    sets,
    batch: settings.batch,
    threads,
  });
  if (statistics === undefined) return undefined;
  const [set] = sets;
  const first = calibrationBatches(sets).next();
  if (parent !== checkpoint && first.done !== true)
    await proveFunction(network, [parent, checkpoint], backbone?.used, first.value.images, threads);
  if (backbone !== undefined && set !== undefined)
    await proveFrozenBackbone({ request, context, network, dataset: set.dataset, backbone, differentiated: [] });
  await writeFileAtomic(join(context.outDir, STATISTICS_FILE), encodeSafetensors(encodeStatistics(statistics)));
  return statistics;
}

const STATISTICS_REMEDY = 'Link the output `statistics` of a calibrate stage of this scope.';

/** @throws LoadError when they were observed of other weights, on another backbone, or lack something. */
async function readStatistics(
  { request, settings, scope, placement }: Work,
  checkpoint: ScopeCheckpoint,
  backbone: ScopeCheckpoint | undefined,
): Promise<ScopeStatistics> {
  const file = decodeSafetensors(await readFile(inputPath(request, 'statistics')));
  if (!file.ok) throw new LoadError(`the statistics cannot be read: ${file.error}`, STATISTICS_REMEDY);
  const statistics = decodeStatistics(file.value);
  if (statistics.scope !== scope)
    throw new LoadError(`the statistics are of scope "${statistics.scope}", not of "${scope}"`, STATISTICS_REMEDY);
  if (statistics.observed !== scopeDigest(checkpoint))
    throw new LoadError(
      `the statistics of scope "${scope}" were observed with other weights, or with another setting of \`equalise\``,
      'Observe these weights, with `equalise` set alike in both stages.',
    );
  if (backbone !== undefined && statistics.backbone !== scopeDigest(backbone))
    throw new LoadError(
      `the statistics of head "${scope}" were observed on another backbone`,
      'Observe the head on the backbone that it is calibrated on.',
    );
  if (settings.biasCorrection === true && statistics.inputMeans.size === 0)
    throw new LoadError(
      'the statistics hold no mean inputs: observe with `biasCorrection` on to correct biases later',
      'Set `biasCorrection` in the stage that observes, too.',
    );
  const activations = new Map(
    valuesOf(placement, scope).map((value) => {
      const observation = statistics.activations.get(value);
      if (observation === undefined)
        throw new LoadError(`the statistics lack activation "${value}"`, STATISTICS_REMEDY);
      return [value, observation];
    }),
  );
  return { ...statistics, activations };
}

function valuesOf(placement: Placement, scope: string): readonly string[] {
  return [...placement.ranges].filter(([, quantizer]) => quantizer.scope === scope).map(([value]) => value);
}
