// The `analyze` job: which layers quantisation hurts. Each layer of the scope is quantised alone (its weights and its output
// activation, everything else float): SQNR at that tensor and at the head's output, and the metric's drop, worst first.
import type { JobRequest } from '../../../events/job-protocol.ts';
import type { Dataset } from '../../../data/dataset.ts';
import { evaluationBatches, ImageBatcher } from '../../../data/batches.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { Network, Unit } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { Observation } from '../../../qat/quantize/observation.ts';
import { placeQuantizers } from '../../../qat/quantize/placement.ts';
import type { Placement } from '../../../qat/quantize/placement.ts';
import type { QuantState, Range, ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import type { Profile } from '../../../qat/quantize/scheme.ts';
import { canonicalJson } from '../../../support/canonical-json.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { ForwardRunner } from '../forward-runner.ts';
import { dataPort, inputPath, readCheckpointFile, readDataset, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { measure } from '../measure.ts';
import { writeReport } from '../outputs.ts';
import { forwardOf } from '../probe.ts';
import { observedRanges, scopeName, scopeWeightScales } from '../quantised-scope.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { TaskSettings } from '../settings.ts';
import { outputsOf } from '../tasks.ts';

interface AnalyzeSettings {
  readonly scope: 'backbone' | 'head';
  readonly task: TaskSettings;
  readonly profile: Profile;
  readonly images: number;
  readonly batch: number;
}

/** Every scope in FLOAT, and the scales of those that came with some. */
interface Given {
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  readonly quant: ReadonlyMap<string, QuantState>;
}

interface LayerSensitivity {
  readonly layer: string;
  /** Decibels: signal power over error power; null where nothing changed. */
  readonly sqnrHere: number | null;
  readonly sqnrOutput: number | null;
  /** Float metric minus the metric with this layer quantised, by its direction; positive means worse. */
  readonly drop: number;
}

export async function runAnalyze(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<AnalyzeSettings>(request.settings);
  const { task, batch, images } = settings;
  const network = await readNetwork(request);
  const dataset = await readDataset(request, dataPort(request), network);
  const analysed = scopeName(settings.scope, task);
  const head = headOf(task);
  const given = await floatScopes(request, head);
  const outputs = outputsOf(network, task);
  const [output] = outputs;
  const placement = placeQuantizers(network, new Map([[analysed, settings.profile]]));
  const layers = network.units.filter(
    (unit) => unit.scope === analysed && (unit.kind === 'layer' || placement.activations.has(unit.output)),
  );
  const values = [...new Set([...layers.map((unit) => unit.output), ...placement.ranges.keys(), ...outputs])];
  const start = (scopes: ReadonlyMap<string, ScopeForward>, only?: ReadonlySet<string>): Promise<ForwardRunner> =>
    ForwardRunner.start({
      network,
      scopes,
      outputs: values,
      batch,
      threads: request.threads,
      ...(only === undefined ? {} : { only }),
    });

  const reference = await start(given.scopes);
  const quantised = await calibrated(network, dataset, reference, placement, given, analysed, settings);
  const float = forwardOf(network, reference);
  const measuring = { task, dataset, outputs, batch, images, float };
  const baseline = await measure(context, measuring, float);
  if (baseline === undefined) return { status: 'interrupted' };
  const rows: LayerSensitivity[] = [];
  for (const [index, unit] of layers.entries()) {
    const runner = await start(quantised, new Set([unit.output]));
    const measured = await measure(context, measuring, forwardOf(network, runner));
    if (measured === undefined) return { status: 'interrupted' };
    const sqnr = await sqnrOf(network, dataset, Math.min(images, 4 * batch), batch, reference, runner, [
      unit.output,
      output,
    ]);
    await runner.release();
    const sign = baseline.higherIsBetter[baseline.primary] === false ? -1 : 1;
    const drop = sign * ((baseline.values[baseline.primary] as number) - (measured.values[measured.primary] as number));
    rows.push({
      layer: nameOf(unit),
      sqnrHere: sqnr.get(unit.output) ?? null,
      sqnrOutput: sqnr.get(output) ?? null,
      drop,
    });
    context.emit({ type: 'progress', unit: 'layer', done: index + 1, total: layers.length });
  }
  await reference.release();
  rows.sort(
    (left, right) =>
      right.drop - left.drop ||
      (left.sqnrOutput ?? Infinity) - (right.sqnrOutput ?? Infinity) ||
      (left.layer < right.layer ? -1 : 1),
  );
  const metric = baseline.primary;
  const report = await writeReport(context, 'sensitivity', {
    scope: analysed,
    metric,
    float: baseline.values[metric] ?? 0,
    images: Math.min(images, dataset.count),
    layers: rows.map((row) => ({ ...row })),
  });
  return {
    status: 'succeeded',
    outputs: { report },
    summary: { scope: analysed, worst: rows[0]?.layer ?? '', drop: rows[0]?.drop ?? 0 },
  };
}

/** The weights as they are, whatever state they were saved in: the analysis switches quantisers on one by one. */
async function floatScopes(request: JobRequest, head: string): Promise<Given> {
  const scopes = new Map<string, ScopeForward>();
  const quant = new Map<string, QuantState>();
  for (const [port, scope] of [
    ['backbone', BACKBONE],
    ['head', head],
  ] as const) {
    if (request.inputs[port] === undefined)
      throw new JobError({
        reason: 'protocol',
        message: `analysing through task head "${head}" needs input "${port}"`,
      });
    const { scope: held, graph, parameters, quant: scales } = await readCheckpointFile(inputPath(request, port));
    if (held !== scope)
      throw new JobError({ reason: 'load-order', message: `input "${port}" holds scope "${held}", not "${scope}"` });
    scopes.set(scope, { state: 'FLOAT', checkpoint: { scope, state: 'float', graph, parameters } });
    if (scales !== undefined) quant.set(scope, scales);
  }
  return { scopes, quant };
}

/** With the scales that the scope was calibrated with in this profile, else with the extremes of these images. */
async function calibrated(
  network: Network,
  dataset: Dataset,
  reference: ForwardRunner,
  placement: Placement,
  { scopes: float, quant }: Given,
  scope: string,
  settings: AnalyzeSettings,
): Promise<ReadonlyMap<string, ScopeForward>> {
  const { profile } = settings;
  const saved = quant.get(scope);
  const fits = saved !== undefined && canonicalJson(saved.profile) === canonicalJson(profile);
  const activations = fits ? saved.activations : await extremes(network, dataset, reference, placement, settings);
  const { checkpoint } = float.get(scope) as ScopeForward;
  const weights = scopeWeightScales(network, placement, scope, checkpoint.parameters);
  const quantised: ScopeCheckpoint = { ...checkpoint, state: 'calibrated', quant: { profile, activations, weights } };
  return new Map([...float, [scope, { state: 'VALIDATION', checkpoint: quantised }]]);
}

async function extremes(
  network: Network,
  dataset: Dataset,
  reference: ForwardRunner,
  placement: Placement,
  { images, batch }: AnalyzeSettings,
): Promise<ReadonlyMap<string, Range>> {
  const observations = new Map([...placement.ranges.keys()].map((value) => [value, new Observation()]));
  const batcher = new ImageBatcher(dataset);
  for (const { indices } of evaluationBatches(Math.min(images, dataset.count), batch)) {
    const seen = await reference.run(new Map([[network.input.name, batcher.images(indices)]]));
    for (const [value, observation] of observations) observation.observe(seen.get(value)?.data as Float32Array);
  }
  const found = observedRanges(placement, observations, { kind: 'min-max' });
  return new Map([...found].map(([value, { range }]) => [value, range]));
}

async function sqnrOf(
  network: Network,
  dataset: Dataset,
  images: number,
  batch: number,
  reference: ForwardRunner,
  quantised: ForwardRunner,
  values: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const power = new Map(values.map((value) => [value, { signal: 0, error: 0 }]));
  const batcher = new ImageBatcher(dataset);
  for (const { indices } of evaluationBatches(Math.min(images, dataset.count), batch)) {
    const input = new Map<string, Tensor>([[network.input.name, batcher.images(indices)]]);
    const [left, right] = [await reference.run(input), await quantised.run(input)];
    for (const [value, sums] of power) {
      const [a, b] = [left.get(value)?.data as Float32Array, right.get(value)?.data as Float32Array];
      for (let index = 0; index < a.length; index++) {
        sums.signal += (a[index] as number) ** 2;
        sums.error += ((a[index] as number) - (b[index] as number)) ** 2;
      }
    }
  }
  return new Map(
    [...power].flatMap(([value, { signal, error }]) => (error > 0 ? [[value, 10 * Math.log10(signal / error)]] : [])),
  );
}

function nameOf(unit: Unit): string {
  return unit.kind === 'layer' ? unit.weight : unit.output;
}
