// The `merge` job: one backbone with all heads, and the merge proof: every tensor of every scope is the artifact's, on the
// gate images every output of the merged forward equals, bit for bit, that of backbone and head run separately, and the
// backbone's nodes stand in the merged graph once. What it adds to a released model leaves that as it was (release-proof.ts).
import { join } from 'node:path';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE, headNames, scopeOrder } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import { buildReference, placementFor } from '../../../qat/network/reference.ts';
import { nodesOf } from '../../../qat/network/units.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import type { ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import { noiseProbe, probeOf, proveDeployed } from '../deployed-proof.ts';
import { withFault } from '../faults.ts';
import { ForwardRunner } from '../forward-runner.ts';
import { proveKept } from '../freeze-proof.ts';
import { readCheckpoint, readDataset, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { readMergedFiles } from '../merged-manifest.ts';
import { checkSameBackbone, mergedIn, proveBoundary, writeMerged } from '../merged-model.ts';
import { writeReport } from '../outputs.ts';
import { compareForwards, describeDifference, forwardOf } from '../probe.ts';
import { proveReleaseKept } from '../release-proof.ts';
import { headOf, settingsOf } from '../settings.ts';
import type { TaskSettings, WholeModelSettings } from '../settings.ts';
import type { JsonObject } from '../../../support/json.ts';

export async function runMerge(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<WholeModelSettings>(request.settings);
  const { batch, probe, tasks } = settings;
  const network = await readNetwork(request);
  const scopes = new Map<string, ScopeForward>();
  scopes.set(BACKBONE, {
    state: 'VALIDATION',
    checkpoint: await readCheckpoint(request, network, 'backbone', BACKBONE, ['calibrated', 'qat']),
  });
  for (const task of tasks) {
    const head = headOf(task);
    scopes.set(head, {
      state: 'VALIDATION',
      checkpoint: await readCheckpoint(request, network, `heads[${task.name}]`, head, ['calibrated', 'qat']),
    });
  }
  const missing = headNames(network).filter((head) => !scopes.has(head));
  if (missing.length > 0)
    throw new JobError({ reason: 'model', message: `no checkpoint was given for head "${missing.join('", "')}"` });
  checkSameBackbone(scopes);
  await writeMerged(
    join(context.outDir, 'merged'),
    network,
    new Map([...scopes].map(([scope, forward]) => [scope, forward.checkpoint])),
  );
  const files = await readMergedFiles(join(context.outDir, 'merged'));
  const merged = mergedIn(files);
  const held = new Map([...merged.scopes].map(([scope, forward]) => [scope, withFault(request, forward)]));
  proveKept(context, scopes, held);
  const boundary = proveBoundary(network, (scopes.get(BACKBONE) as ScopeForward).checkpoint, held);

  const release = await proveReleaseKept({ request, context, settings, files, merged: { network, scopes: held } });
  const units = provedOnce(network, held, batch);
  const all = await startAll(network, held, tasks, batch, request.threads);
  const together = forwardOf(network, all);
  const proofs: { [task: string]: { images: number; values: number } } = {};
  for (const [index, task] of tasks.entries()) {
    if (context.interrupted()) return { status: 'interrupted' };
    const head = headOf(task);
    const separate = await ForwardRunner.start({
      network,
      scopes: new Map([...scopes].filter(([scope]) => scope === BACKBONE || scope === head)),
      outputs: network.scopes.heads[head]?.outputs ?? [],
      batch,
      threads: request.threads,
    });
    const dataset = await readDataset(request, `data[${task.name}.gate]`, network);
    const outputs = network.scopes.heads[head]?.outputs ?? [];
    const result = await compareForwards(dataset, batch, probe, forwardOf(network, separate), async (images) => {
      const everything = await together(images);
      return new Map([...everything].filter(([name]) => outputs.includes(name)));
    });
    await separate.release();
    const [difference] = result.differences;
    if (difference !== undefined) {
      throw new JobError({
        reason: 'merge-differs',
        message: `head "${head}" differs in the merged model: ${describeDifference(difference)}`,
        details: { ...difference },
      });
    }
    proofs[task.name] = { images: result.images, values: result.values };
    context.emit({
      type: 'proof',
      proof: {
        name: 'merge',
        held: true,
        text: `${head}: ${result.values} output values of ${result.images} gate images bit-equal to the separate head`,
      },
    });
    context.emit({ type: 'progress', unit: 'step', done: index + 1, total: tasks.length });
  }
  await all.release();
  context.emit({
    type: 'proof',
    proof: {
      name: 'boundary',
      held: true,
      text: `${boundary.size} boundary scales equal in artifact and merged model, owned by the backbone (${[...boundary.values()].map((scale) => scale.toPrecision(6)).join(', ')}); ${units} backbone layers, each stored and run once`,
    },
  });
  const deployed = await proveAllDeployed({ request, context, network, scopes: held }, tasks);
  const report = await writeReport(context, 'merge', {
    digest: files.digest,
    backboneLayers: units,
    heads: proofs,
    deployed,
    ...(release === undefined ? {} : { release }),
  });
  return {
    status: 'succeeded',
    outputs: { merged: 'merged', report },
    summary: { heads: tasks.map(headOf), backboneLayers: units, digest: files.digest, madeOf: checkpointsOf(request) },
  };
}

interface Whole {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, ScopeForward>;
}

async function proveAllDeployed(
  { request, context, network, scopes }: Whole,
  [task]: readonly TaskSettings[],
): Promise<JsonObject> {
  const placement = placementFor(network, scopes);
  const port = `data[${task?.name ?? ''}.gate]`;
  const images = request.inputs[port] === undefined ? undefined : probeOf(await readDataset(request, port, network));
  const found: { [scope: string]: JsonObject } = {};
  const below: ScopeCheckpoint[] = [];
  for (const scope of scopeOrder(network.scopes)) {
    const checkpoint = scopes.get(scope)?.checkpoint;
    if (checkpoint === undefined) continue;
    const { threads } = request;
    const what = { network, placement, checkpoint, below: [...below], images: images ?? noiseProbe(network), threads };
    found[scope] = await proveDeployed(context, what);
    below.push(checkpoint);
  }
  return found;
}

/** Digest by input: whoever tells the run can look up which stage made it. */
function checkpointsOf({ inputs }: JobRequest): JsonObject {
  const scopes = Object.entries(inputs).filter(([port]) => port === 'backbone' || port.startsWith('heads['));
  return Object.fromEntries(scopes.map(([port, { digest }]) => [port, digest]));
}

function startAll(
  network: Network,
  scopes: ReadonlyMap<string, ScopeForward>,
  tasks: readonly TaskSettings[],
  batch: number,
  threads: number,
): Promise<ForwardRunner> {
  const outputs = tasks.flatMap((task) => network.scopes.heads[headOf(task)]?.outputs ?? []);
  return ForwardRunner.start({ network, scopes, outputs, batch, threads });
}

/** Layers of the merged graph must be those of the scopes, each once. @returns the backbone's count. */
function provedOnce(network: Network, scopes: ReadonlyMap<string, ScopeForward>, batch: number): number {
  const layers = network.units.filter((unit) => unit.kind === 'layer');
  const outputs = Object.values(network.scopes.heads).flatMap((head) => head.outputs);
  const graph = buildReference(network, { scopes, outputs, batch });
  const kinds = new Set(layers.map((unit) => unit.node.op));
  const run = graph.nodes.filter((node) => kinds.has(node.op)).length;
  const expected = network.units.flatMap(nodesOf).filter((node) => kinds.has(node.op)).length;
  if (run !== expected) {
    throw new JobError({
      reason: 'merge-differs',
      message: `the merged graph runs ${run} layers, the scopes have ${expected}`,
    });
  }
  return layers.filter((unit) => unit.scope === BACKBONE).length;
}
