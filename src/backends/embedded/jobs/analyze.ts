// The `analyze` job: which layers of a scope quantisation hurts, in both senses and weights apart from activations; ranges per
// channel; and, where asked for, a mixed-precision profile within a budget. A head stands on its backbone as it was given:
// quantised or float.
import { join } from 'node:path';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { workOf } from '../../../qat/analysis/cost.ts';
import { layerSites, quantisersOf } from '../../../qat/analysis/layer-sites.ts';
import { BACKBONE } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import type { QuantState } from '../../../qat/quantize/checkpoint.ts';
import type { Profile } from '../../../qat/quantize/scheme.ts';
import { writeFileAtomic } from '../../../support/atomic-file.ts';
import { canonicalJson } from '../../../support/canonical-json.ts';
import { measureLayers, ranked } from '../analysis/layer-effects.ts';
import { observeValues, Scales } from '../analysis/observed-ranges.ts';
import { rangePlotsPage } from '../analysis/range-plots.ts';
import { placements, recommend } from '../analysis/recommend.ts';
import type { RecommendSettings } from '../analysis/recommend.ts';
import { analysisJson, analysisText } from '../analysis/report.ts';
import type { Analysis } from '../analysis/report.ts';
import { Interrupted, Subject } from '../analysis/subject.ts';
import { dataPort, inputPath, readCheckpointFile, readDataset, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { observerOf } from '../observer-settings.ts';
import { writeJson, writeReport } from '../outputs.ts';
import { scopeName } from '../quantised-scope.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { ObserverSettings, TaskSettings } from '../settings.ts';

interface AnalyzeSettings {
  readonly scope: 'backbone' | 'head';
  readonly task: TaskSettings;
  readonly profile: Profile;
  readonly images: number;
  readonly batch: number;
  readonly observer: ObserverSettings;
  readonly recommend?: RecommendSettings;
}

export async function runAnalyze(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  try {
    return await analyse(request, context);
  } catch (error) {
    if (error instanceof Interrupted) return { status: 'interrupted' };
    throw error;
  }
}

async function analyse(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<AnalyzeSettings>(request.settings);
  const { task, batch, profile } = settings;
  const network = await readNetwork(request);
  const dataset = await readDataset(request, dataPort(request), network);
  const scope = scopeName(settings.scope, task);
  const { scopes, saved } = await givenScopes(request, scope, headOf(task));
  const images = Math.min(settings.images, dataset.count);
  const subject = await Subject.start(context, {
    network,
    scope,
    scopes,
    dataset,
    task,
    images,
    batch,
    threads: request.threads,
  });

  const backbone = scope === BACKBONE ? undefined : scopes.get(BACKBONE)?.checkpoint.quant?.profile;
  const placementOf = placements(network, scope, new Map(backbone === undefined ? [] : [[BACKBONE, backbone]]));
  const placement = placementOf(profile);
  const sites = layerSites(network, placement, scope);
  const ranges = [...placement.ranges].filter(([, { scope: owner }]) => owner === scope).map(([value]) => value);
  const observed = await observeValues(subject, ranges, shownValues(network, scope, sites));
  const fits = saved !== undefined && canonicalJson(saved.profile) === canonicalJson(profile);
  const scales = new Scales(subject, observed, observerOf(settings.observer), placement, fits ? saved : undefined);
  const quant = scales.stateFor(profile, placement);

  const everything = sites.flatMap(quantisersOf);
  const measuring = { subject, placement, quant, observed, sites };
  const progress = (done: number, total: number): void => {
    context.emit({ type: 'progress', unit: 'layer', done, total });
  };
  const layers = await measureLayers(measuring, (done) => {
    progress(done, sites.length);
  });
  const works = workOf(network, scope, (value) => observed.shapes.get(value) ?? []);
  const grounded = scope === BACKBONE || backbone !== undefined;
  const asked = settings.recommend;
  const recommendation =
    asked === undefined
      ? undefined
      : await recommend(
          {
            subject,
            settings: asked,
            profile,
            sites,
            works,
            scales,
            placementOf,
            quantisers: grounded ? undefined : everything,
          },
          (done) => {
            progress(Math.min(done, asked.measurements), asked.measurements);
          },
        );
  return writeAnalysis(context, {
    subject,
    images,
    all: await subject.effectOf(quant, everything),
    layers,
    ...(recommendation === undefined ? {} : { recommendation }),
  });
}

async function writeAnalysis(context: JobContext, analysis: Analysis): Promise<JobOutcome> {
  const { subject, layers, recommendation } = analysis;
  const report = await writeReport(context, 'sensitivity', { version: 2, ...analysisJson(analysis) });
  const [text, plots] = ['sensitivity.txt', 'ranges.html'];
  await writeFileAtomic(join(context.outDir, text), analysisText(analysis));
  await writeFileAtomic(join(context.outDir, plots), rangePlotsPage(analysis));
  const profile =
    recommendation === undefined
      ? undefined
      : await writeJson(context.outDir, 'profile.json', { ...recommendation.profile });
  const [worst] = ranked(layers, 'alone');
  const drop = worst === undefined ? null : subject.dropOf(worst.alone);
  return {
    status: 'succeeded',
    outputs: { report, text, plots, ...(profile === undefined ? {} : { profile }) },
    summary: {
      scope: subject.settings.scope,
      worst: worst?.site.name ?? '',
      ...(drop === null ? {} : { drop }),
      ...(recommendation === undefined
        ? {}
        : { wider: Object.keys(recommendation.profile.layers ?? {}).length, measured: recommendation.measured }),
    },
  };
}

/** What the report shows channels of, and what its costs need the shapes of. */
function shownValues(network: Network, scope: string, sites: ReturnType<typeof layerSites>): readonly string[] {
  const layers = network.units.flatMap((unit) =>
    unit.kind === 'layer' && unit.scope === scope ? [unit.output, unit.input] : [],
  );
  return [...new Set([...sites.flatMap(({ activations }) => activations), ...layers])];
}

interface Given {
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  /** Of the analysed scope, where it came with some. */
  readonly saved: QuantState | undefined;
}

/** The analysed scope and every head in float, whatever they were saved as; a backbone below them as it was saved. */
async function givenScopes(request: JobRequest, analysed: string, head: string): Promise<Given> {
  const scopes = new Map<string, ScopeForward>();
  let saved: QuantState | undefined;
  const others = Object.keys(request.inputs).filter((port) => /^heads(\[|$)/.test(port));
  const ports: readonly { readonly port: string; readonly expected?: string }[] = [
    { port: 'backbone', expected: BACKBONE },
    { port: 'head', expected: head },
    ...others.map((port) => ({ port })),
  ];
  for (const { port, expected } of ports) {
    if (request.inputs[port] === undefined)
      throw new JobError({
        reason: 'protocol',
        message: `analysing through task head "${head}" needs input "${port}"`,
      });
    const checkpoint = await readCheckpointFile(inputPath(request, port));
    const { scope, graph, parameters, quant } = checkpoint;
    if (expected !== undefined && scope !== expected)
      throw new JobError({
        reason: 'load-order',
        message: `input "${port}" holds scope "${scope}", not "${expected}"`,
      });
    if (scope === analysed) saved = quant;
    const keeps = scope === BACKBONE && analysed !== BACKBONE && quant !== undefined;
    scopes.set(
      scope,
      keeps
        ? { state: 'VALIDATION', checkpoint }
        : { state: 'FLOAT', checkpoint: { scope, state: 'float', graph, parameters } },
    );
  }
  return { scopes, saved };
}
