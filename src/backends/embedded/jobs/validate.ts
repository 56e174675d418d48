// The `validate` job: measures one task on one split, through the reference forward (scopes put together, or the merged
// model) or through the exported file in the integer runtime with its optimisations on.
import { readFile } from 'node:fs/promises';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { bootstrapReplicates } from '../../../qat/metrics/bootstrap.ts';
import type { MetricResult } from '../../../qat/metrics/metric.ts';
import { BACKBONE, interfaceOf } from '../../../qat/network/network.ts';
import type { Network, NetworkInterface } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { decodeModel } from '../../../qat/onnx/codec.ts';
import { initialCheckpoint, LoadError, scopeDigest } from '../../../qat/quantize/checkpoint.ts';
import { createSession } from '../../../qat/runtime/onnxruntime.ts';
import { ForwardRunner } from '../forward-runner.ts';
import { dataPort, inputPath, readCheckpoint, readDataset, readNetwork } from '../inputs.ts';
import { startIntegerSession } from '../integer-runtime.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { KeptOutputs } from '../kept-outputs.ts';
import { measure } from '../measure.ts';
import { readMerged } from '../merged-model.ts';
import { writeJson, writeReport } from '../outputs.ts';
import { exportedForwardOf, forwardOf } from '../probe.ts';
import type { Forward } from '../probe.ts';
import { runnableFile } from '../runnable-file.ts';
import { runSelfTests } from '../self-tests/run-self-tests.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { ValidateSettings } from '../settings.ts';
import { outputsOf } from '../tasks.ts';
import type { JsonObject } from '../../../support/json.ts';

interface Ready {
  readonly network: NetworkInterface;
  readonly forward: Forward;
  readonly states: { readonly [scope: string]: string };
  /** What self-tests look at; none of an exported file. */
  readonly loaded?: { readonly network: Network; readonly scopes: ReadonlyMap<string, ScopeForward> };
  release(): Promise<void>;
}

export async function runValidate(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<ValidateSettings>(request.settings);
  const { task, batch, keepOutputs = 0 } = settings;
  const { network, forward, states, loaded, release } = await ready(request, settings, context);
  const dataset = await readDataset(request, dataPort(request), network);
  const outputs = outputsOf(network, task);
  const kept = keepOutputs === 0 ? undefined : new KeptOutputs(outputs, Math.min(keepOutputs, dataset.count));
  const float = task.metric.kind === 'sqnr' ? await startFloat(request, settings) : undefined;
  const measuring = { task, dataset, outputs, batch };
  const measured = await measure(
    context,
    float === undefined ? measuring : { ...measuring, float: float.forward },
    kept?.watching(forward) ?? forward,
  );
  await Promise.all([release(), float?.release()]);
  if (measured === undefined) return { status: 'interrupted' };
  const { primary, values, units, higherIsBetter, classes, perImage, count } = measured;
  for (const [name, value] of Object.entries(values)) {
    if (Number.isFinite(value)) continue;
    throw new JobError({
      reason: 'metric-not-finite',
      message: `metric "${name}" of task "${task.name}" is ${value}`,
      remedy: "Look for NaN in the head's outputs, or for a split without ground truth.",
    });
  }
  const file = await writeJson(context.outDir, 'metrics.json', {
    format: 'headgate-metrics',
    version: 1,
    task: task.name,
    primary,
    values,
    units,
    higherIsBetter,
    classes,
    count,
    ...replicatesOf(measured, settings, request.inputs[dataPort(request)]?.digest),
  });
  const details = await writeJson(context.outDir, 'details.json', {
    format: 'headgate-per-image',
    version: 1,
    task: task.name,
    images: perImage,
  });
  const { selfTests = [] } = settings;
  const findings =
    selfTests.length === 0 || loaded === undefined
      ? undefined
      : await runSelfTests(selfTests, { request, context, task, dataset, batch, ...loaded });
  const report =
    findings === undefined ? {} : { report: await writeReport(context, 'self-tests', { selfTests: findings }) };
  const raw = kept === undefined ? {} : { outputs: await kept.write(context.outDir) };
  context.emit({ type: 'metrics', at: request.stage, values });
  return {
    status: 'succeeded',
    outputs: { metrics: file, details, ...raw, ...report },
    summary: { task: task.name, primary, value: values[primary] ?? 0, states },
  };
}

/** Seed, count and block are of the artifact, so that a gate can tell whether two of them pair. */
function replicatesOf(measured: MetricResult, { bootstrap }: ValidateSettings, data: string | undefined): JsonObject {
  if (bootstrap === undefined || bootstrap.count === 0) return {};
  const { values, classes } = bootstrapReplicates(measured, bootstrap);
  return {
    replicates: {
      method: 'bootstrap',
      ...bootstrap,
      images: measured.count,
      data: data ?? null,
      values,
      classes,
    },
  };
}

async function ready(request: JobRequest, settings: ValidateSettings, context: JobContext): Promise<Ready> {
  if (request.inputs['exported'] !== undefined) return exportedFile(request, settings, context);
  const { network, scopes } =
    request.inputs['merged'] === undefined
      ? await fromScopes(request, settings)
      : await readMerged(inputPath(request, 'merged'));
  const head = headOf(settings.task);
  const outputs = outputsOf(network, settings.task);
  const used = new Map([...scopes].filter(([scope]) => scope === BACKBONE || scope === head));
  const runner = await ForwardRunner.start({
    network,
    scopes: used,
    outputs,
    batch: settings.batch,
    threads: request.threads,
  });
  return {
    network,
    states: Object.fromEntries([...used].map(([scope, { state }]) => [scope, state])),
    forward: forwardOf(network, runner),
    loaded: { network, scopes: request.inputs['merged'] === undefined ? used : scopes },
    release: () => runner.release(),
  };
}

/** The float model that `sqnr` compares with: its scopes as the stage was given them, else the model's own weights. */
async function startFloat(
  request: JobRequest,
  { task, batch }: ValidateSettings,
): Promise<Pick<Ready, 'forward' | 'release'>> {
  const network =
    request.inputs['merged'] === undefined
      ? await readNetwork(request)
      : (await readMerged(inputPath(request, 'merged'))).network;
  const scopes = new Map<string, ScopeForward>();
  for (const [port, scope] of [
    ['floatBackbone', BACKBONE],
    ['floatHead', headOf(task)],
  ] as const) {
    const checkpoint =
      request.inputs[port] === undefined
        ? initialCheckpoint(network, scope)
        : await readCheckpoint(request, network, port, scope, ['float']);
    scopes.set(scope, { state: 'FLOAT', checkpoint });
  }
  const { threads } = request;
  const runner = await ForwardRunner.start({ network, scopes, outputs: outputsOf(network, task), batch, threads });
  return { forward: forwardOf(network, runner), release: () => runner.release() };
}

async function fromScopes(request: JobRequest, { task, quantized }: ValidateSettings) {
  const network = await readNetwork(request);
  const head = headOf(task);
  const scopes = new Map<string, ScopeForward>();
  for (const [port, scope] of [
    ['backbone', BACKBONE],
    ['head', head],
  ] as const) {
    const asQuantised = quantized.includes(port);
    const checkpoint = await readCheckpoint(
      request,
      network,
      port,
      scope,
      asQuantised ? ['calibrated', 'qat'] : ['float'],
    );
    scopes.set(scope, { state: asQuantised ? 'VALIDATION' : 'FLOAT', checkpoint });
  }
  const [backbone, deployed] = [scopes.get(BACKBONE), scopes.get(head)] as [ScopeForward, ScopeForward];
  if (
    deployed.state === 'VALIDATION' &&
    backbone.state === 'VALIDATION' &&
    deployed.checkpoint.backbone !== scopeDigest(backbone.checkpoint)
  ) {
    throw new LoadError(
      `head "${head}" was made on backbone ${deployed.checkpoint.backbone?.slice(0, 12) ?? '(none)'}, but is measured on ${scopeDigest(backbone.checkpoint).slice(0, 12)}`,
    );
  }
  return { network, scopes };
}

async function exportedFile(request: JobRequest, { runtime }: ValidateSettings, context: JobContext): Promise<Ready> {
  const bytes = await readFile(inputPath(request, 'exported'));
  const graph = decodeModel(bytes);
  const network = interfaceOf(graph);
  const runnable = await runnableFile(bytes, graph);
  const { threads } = request;
  const { session } =
    runtime === 'integer'
      ? await startIntegerSession(context, runnable, { threads })
      : { session: await createSession(runnable, { threads, optimisation: 'disabled' }) };
  return {
    network,
    states: { model: runtime },
    forward: exportedForwardOf(network, session),
    release: () => session.release(),
  };
}
