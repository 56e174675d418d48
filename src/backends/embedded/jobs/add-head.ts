// The `add-head` job: a model with further heads on its boundary tensors, with seeded weights or from ONNX files, and their
// float checkpoints. Checkpoints of the scopes that were there fit the wider model as they are.
import { readFile } from 'node:fs/promises';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { foreignHead, tieInputs } from '../../../qat/models/foreign-head.ts';
import type { BoundaryShapes } from '../../../qat/models/foreign-head.ts';
import { freshHead } from '../../../qat/models/fresh-head.ts';
import type { HeadSettings } from '../../../qat/models/heads.ts';
import { addHead } from '../../../qat/network/add-head.ts';
import { BACKBONE, computedNodes } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import { decodeModel } from '../../../qat/onnx/codec.ts';
import { normaliseImported } from '../../../qat/onnx/normalise.ts';
import { refuseUnknownOperators } from '../../../qat/onnx/unknown-operators.ts';
import { initialCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import { elementCount } from '../../../support/tensor.ts';
import { ForwardRunner, startBackbone, valueShapesOf } from '../forward-runner.ts';
import { noiseFor, outputsOf, proveAlike } from '../import-proof.ts';
import { inputPath, readNetwork } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { writeCheckpoint, writeModel, writeReport } from '../outputs.ts';
import { runnableFile } from '../runnable-file.ts';
import { settingsOf } from '../settings.ts';

interface AddHeadSettings {
  readonly heads: { readonly [name: string]: HeadSettings | FileSettings };
  readonly tasks: readonly { readonly name: string; readonly head: string }[];
}

/** The file itself is the input `onnx[<head>]`. */
interface FileSettings {
  readonly kind: 'onnx';
  readonly outputs?: readonly string[];
  readonly inputs?: { readonly [input: string]: string };
}

export async function runAddHead(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const { heads, tasks } = settingsOf<AddHeadSettings>(request.settings);
  let network = await readNetwork(request);
  const boundary = await boundaryShapesOf(network, request.threads);
  const before = network.parameters.length;
  // In order of name: an order of keys is no setting.
  for (const name of Object.keys(heads).sort()) {
    const settings = heads[name] as HeadSettings | FileSettings;
    network =
      settings.kind === 'onnx'
        ? await addFromFile({ request, context, network, boundary }, name, settings)
        : addHead(network, name, freshHead(network, name, settings, boundary, request.seed));
  }
  await writeModel(context.outDir, 'model.onnx', network.graph, network);
  const outputs: { [port: string]: string } = { model: 'model.onnx' };
  for (const { name, head } of tasks)
    outputs[`head[${name}]`] = await writeCheckpoint(context.outDir, `head-${name}`, initialCheckpoint(network, head));
  const added = network.parameters.slice(before).filter(({ scope }) => heads[scope] !== undefined);
  const parameters = added.reduce((sum, parameter) => sum + elementCount(parameter.shape), 0);
  outputs['report'] = await writeReport(context, 'add-head', { heads: Object.keys(heads).sort(), parameters });
  return { status: 'succeeded', outputs, summary: { heads: Object.keys(network.scopes.heads), parameters } };
}

async function boundaryShapesOf(network: Network, threads: number): Promise<BoundaryShapes> {
  const float = { state: 'FLOAT', checkpoint: initialCheckpoint(network, BACKBONE) } as const;
  const runner = await startBackbone(network, float, 1, threads);
  const shapes = await valueShapesOf(network, runner, 1);
  await runner.release();
  return shapes;
}

interface Adding {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly network: Network;
  readonly boundary: BoundaryShapes;
}

/** Added, it gives what the file gives, on boundary tensors of noise. */
async function addFromFile(
  { request, context, network, boundary }: Adding,
  name: string,
  { outputs, inputs = {} }: FileSettings,
): Promise<Network> {
  const file = await readFile(inputPath(request, `onnx[${name}]`));
  const foreign = decodeModel(file);
  const { graph, ties } = tieInputs(foreign, name, inputs, boundary);
  const head = foreignHead(await normaliseImported(graph), name, ties, outputs);
  const wider = addHead(network, name, head);
  await refuseUnknownOperators(computedNodes(wider), wider.graph.opset);

  const declared = foreign.inputs[0]?.shape?.[0];
  const batch = typeof declared === 'number' ? declared : 1;
  const noise = noiseFor([...ties].map(([input, value]) => [input, [batch, ...(boundary.get(value) ?? [])]]));
  const runner = await ForwardRunner.start({
    network: wider,
    scopes: new Map([[name, { state: 'FLOAT', checkpoint: initialCheckpoint(wider, name) }]]),
    outputs: head.outputs.map((output) => output.name),
    batch,
    threads: 1,
    boundaryShapes: boundary,
  });
  const found = await runner.run(new Map([...noise].map(([input, tensor]) => [ties.get(input) ?? input, tensor])));
  await runner.release();
  const after = new Map([...found].map(([output, tensor]) => [output.slice(name.length + 1), tensor]));
  const proof = proveAlike([...after.keys()], await outputsOf(await runnableFile(file, foreign), noise), after);
  const text = `${name}: ${proof.values} output values on boundary tensors of noise as the file gives them, largest difference ${proof.difference.toExponential(1)} of the largest magnitude`;
  context.emit({ type: 'proof', proof: { name: 'import', held: true, text } });
  return wider;
}
