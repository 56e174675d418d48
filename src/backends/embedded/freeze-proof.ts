// The freeze proof around a stage: what it held frozen is written out, read back and compared with the input artifact, bit
// for bit; the state it ran in is the declared one; its own graph gives the artifact's boundary outputs on a fixed probe
// batch; and no frozen parameter has a gradient. Any difference fails the stage and names tensor, index, old and new value.
import { join } from 'node:path';
import { evaluationBatches, ImageBatcher } from '../../data/batches.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { JobRequest } from '../../events/job-protocol.ts';
import { compareCheckpoints, compareOutputs, compareTensors } from '../../qat/freeze/compare.ts';
import type { Comparison, Difference } from '../../qat/freeze/compare.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { decodeModel } from '../../qat/onnx/codec.ts';
import { initialCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { TrainState } from '../../qat/train/forward.ts';
import { activationScaleSlot, weightScaleSlot } from '../../qat/train/scale-slots.ts';
import { floatTensor } from '../../support/tensor.ts';
import type { FloatTensor, Tensor } from '../../support/tensor.ts';
import { ForwardRunner, startBackbone } from './forward-runner.ts';
import type { FrozenBackbone } from './frozen-backbone.ts';
import { inputPath, readCheckpointFile } from './inputs.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';
import { writeCheckpoint } from './outputs.ts';

export interface BackboneProof {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly network: Network;
  readonly dataset: Dataset;
  readonly backbone: FrozenBackbone;
  /** What the stage's own graph took gradients of. */
  readonly differentiated: readonly string[];
}

/** The last use of the held backbone, which it releases. @throws JobError 'freeze-violated'. */
export async function proveFrozenBackbone(proof: BackboneProof): Promise<void> {
  const { request, context, network } = proof;
  const { declared, used, runner, batch } = proof.backbone;
  const artifact = await artifactOf(request, network, 'backbone', used.checkpoint.scope);
  const scope = artifact.scope;
  if (used.state !== declared)
    throw violated(scope, [{ tensor: 'state', index: -1, before: declared, after: used.state }]);
  const held = await comparedWithWritten(context, artifact, used.checkpoint);
  refuse(scope, held);
  refuseGradients(scope, artifact, proof.differentiated);
  const images = probeImages(proof.dataset, network, batch);
  const reference = await startBackbone(network, { state: declared, checkpoint: artifact }, batch, request.threads);
  const outputs = compareOutputs(await reference.run(images), await runner.run(images));
  await Promise.all([reference.release(), runner.release()]);
  refuse(scope, outputs);
  const text = `${scope}: ${held.tensors} tensors, ${held.values} values bit-equal, state ${used.state}, ${outputs.values} boundary values of a ${batch}-image probe bit-equal`;
  context.emit({ type: 'proof', proof: { name: 'freeze', held: true, text } });
}

export interface FrozenConstants {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly network: Network;
  readonly port: string;
  readonly used: ScopeCheckpoint;
  /** The training graph that ran, and where in it each frozen parameter stands. */
  readonly model: Uint8Array;
  readonly frozenInitializers: ReadonlyMap<string, string>;
  readonly differentiated: readonly string[];
  /** How that graph ran each scope. */
  readonly states: ReadonlyMap<string, TrainState>;
  readonly dataset: Dataset;
  readonly batch: number;
}

/**
 * For a head that is frozen inside the training graph, in FLOAT: its tensors are read back from that graph's own bytes, and
 * give the artifact's outputs on a probe batch (over the model's own initial backbone: any fixed features will do).
 * @throws JobError 'freeze-violated'.
 */
export async function proveFrozenConstants(proof: FrozenConstants): Promise<void> {
  const artifact = await artifactOf(proof.request, proof.network, proof.port, proof.used.scope);
  const held = await comparedWithWritten(proof.context, artifact, proof.used);
  refuse(artifact.scope, held);
  refuseGradients(artifact.scope, artifact, proof.differentiated);
  const { initializers } = decodeModel(proof.model);
  const inGraph = new Map<string, FloatTensor>();
  for (const [parameter, initializer] of proof.frozenInitializers) {
    const tensor = initializers.get(initializer);
    if (artifact.parameters.has(parameter) && tensor !== undefined)
      inGraph.set(parameter, floatTensor(tensor.shape, tensor.data as Float32Array));
  }
  const graph = compareTensors(artifact.parameters, inGraph);
  refuse(artifact.scope, graph);
  refuseState(artifact.scope, proof.states.get(artifact.scope));
  const outputs = await probeHead(proof, artifact, inGraph);
  refuse(artifact.scope, outputs);
  const text = `${artifact.scope}: ${held.tensors} tensors, ${held.values} values bit-equal, in the artifact and in the graph that ran; state FLOAT, no gradient; ${outputs.values} output values of a ${proof.batch}-image probe bit-equal`;
  proof.context.emit({ type: 'proof', proof: { name: 'freeze', held: true, text } });
}

/** A head that is frozen in a training graph runs in FLOAT, with constant statistics. */
function refuseState(scope: string, ran: TrainState | undefined): void {
  if (ran?.state === 'FLOAT' && !ran.trained && ran.batchNorm === 'frozen') return;
  const after =
    ran === undefined ? 'not run' : `${ran.state}, ${ran.trained ? 'trained' : 'frozen'}, batch norm ${ran.batchNorm}`;
  throw violated(scope, [{ tensor: 'state', index: -1, before: 'FLOAT, frozen, batch norm frozen', after }]);
}

async function probeHead(
  { network, dataset, batch, request }: FrozenConstants,
  artifact: ScopeCheckpoint,
  inGraph: ReadonlyMap<string, FloatTensor>,
): Promise<Comparison> {
  const outputsOf = async (head: ScopeCheckpoint): Promise<ReadonlyMap<string, Tensor>> => {
    const scopes = new Map<string, ScopeForward>([
      [BACKBONE, { state: 'FLOAT', checkpoint: initialCheckpoint(network, BACKBONE) }],
      [head.scope, { state: 'FLOAT', checkpoint: head }],
    ]);
    const outputs = network.scopes.heads[head.scope]?.outputs ?? [];
    const runner = await ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
    const values = await runner.run(probeImages(dataset, network, batch));
    await runner.release();
    return values;
  };
  return compareOutputs(await outputsOf(artifact), await outputsOf({ ...artifact, parameters: inGraph }));
}

/** For scopes that are only put together: each as its artifact, tensor by tensor, since outputs hide what rounding hides. */
export function proveKept(
  context: JobContext,
  artifacts: ReadonlyMap<string, ScopeForward>,
  merged: ReadonlyMap<string, ScopeForward>,
): void {
  for (const [scope, { state, checkpoint }] of artifacts) {
    const held = merged.get(scope);
    if (held?.state !== state)
      throw violated(scope, [{ tensor: 'state', index: -1, before: state, after: held?.state ?? 'missing' }]);
    const kept = compareCheckpoints(checkpoint, held.checkpoint);
    refuse(scope, kept);
    const text = `${scope}: ${kept.tensors} tensors, ${kept.values} values bit-equal in the merged model, state ${state}`;
    context.emit({ type: 'proof', proof: { name: 'freeze', held: true, text } });
  }
}

async function artifactOf(
  request: JobRequest,
  network: Network,
  port: string,
  scope: string,
): Promise<ScopeCheckpoint> {
  return request.inputs[port] === undefined
    ? initialCheckpoint(network, scope)
    : readCheckpointFile(inputPath(request, port));
}

async function comparedWithWritten(
  context: JobContext,
  artifact: ScopeCheckpoint,
  used: ScopeCheckpoint,
): Promise<Comparison> {
  const file = await writeCheckpoint(context.outDir, `frozen-${used.scope}`, used);
  return compareCheckpoints(artifact, await readCheckpointFile(join(context.outDir, file)));
}

function probeImages(dataset: Dataset, network: Network, batch: number): ReadonlyMap<string, Tensor> {
  const indices = evaluationBatches(dataset.count, batch)[0]?.indices ?? [];
  return new Map([[network.input.name, new ImageBatcher(dataset).images(indices)]]);
}

function refuse(scope: string, comparison: Comparison): void {
  if (comparison.differences.length > 0) throw violated(scope, comparison.differences);
}

function refuseGradients(scope: string, artifact: ScopeCheckpoint, differentiated: readonly string[]): void {
  const { parameters, quant } = artifact;
  const held = new Set([
    ...parameters.keys(),
    ...[...(quant?.activations.keys() ?? [])].map(activationScaleSlot),
    ...[...(quant?.weights.keys() ?? [])].map(weightScaleSlot),
  ]);
  const trained = differentiated.filter((name) => held.has(name));
  if (trained.length > 0)
    throw violated(
      scope,
      trained.map((tensor) => ({ tensor, index: -1, before: 'no gradient', after: 'a gradient' })),
    );
}

function violated(scope: string, differences: readonly Difference[]): JobError {
  const [first] = differences as readonly [Difference];
  const place = first.index < 0 ? '' : ` at index ${first.index}`;
  const more = differences.length > 1 ? ` (and ${differences.length - 1} more)` : '';
  return new JobError({
    reason: 'freeze-violated',
    message: `frozen scope "${scope}" changed: ${first.tensor}${place}: ${first.before} → ${first.after}${more}`,
    remedy: 'Nothing was published. Run again; if it happens again, the memory or the code of this stage is at fault.',
    details: differences.map((difference) => ({ ...difference })),
  });
}
