// The `import` job: a trained float ONNX model with its backbone boundary and heads named becomes a model with scopes and one
// float checkpoint per scope. With a separate weights file (safetensors) tensors are loaded by name, strictly or partially,
// and every unmatched one is listed.
import { readFile } from 'node:fs/promises';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE, computedNodes, recogniseNetwork, scopeMetadata } from '../../../qat/network/network.ts';
import type { Network, ScopeNames } from '../../../qat/network/network.ts';
import { decodeModel } from '../../../qat/onnx/codec.ts';
import { normaliseImported } from '../../../qat/onnx/normalise.ts';
import { refuseUnknownOperators } from '../../../qat/onnx/unknown-operators.ts';
import type { IrTensor } from '../../../qat/onnx/ir.ts';
import { initialCheckpoint, LoadError } from '../../../qat/quantize/checkpoint.ts';
import { decodeSafetensors } from '../../../support/safetensors.ts';
import { elementCount } from '../../../support/tensor.ts';
import { proveImport } from '../import-proof.ts';
import { inputPath } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { writeCheckpoint, writeModel, writeReport } from '../outputs.ts';
import { noteCarried } from '../runnable-file.ts';
import { settingsOf } from '../settings.ts';

interface ImportSettings {
  readonly boundary: readonly string[];
  readonly heads: { readonly [name: string]: { readonly outputs: readonly string[] } };
  readonly strict?: boolean;
  readonly rename?: { readonly [from: string]: string };
  readonly tasks: readonly { readonly name: string; readonly head: string }[];
}

interface Loaded {
  readonly network: Network;
  readonly loaded: number;
  /** In the weights file, with no place in the model. */
  readonly unexpected: readonly string[];
  /** In the model, with no tensor in the weights file. */
  readonly missing: readonly string[];
}

export async function runImport(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<ImportSettings>(request.settings);
  const scopes: ScopeNames = { backbone: { boundary: settings.boundary }, heads: settings.heads };
  const file = await readFile(inputPath(request, 'onnx'));
  const foreign = decodeModel(file);
  const decoded = await normaliseImported(foreign);
  const scoped = { ...decoded, metadata: { ...decoded.metadata, ...scopeMetadata(scopes) } };
  const plain = recogniseNetwork(scoped, scopes);
  await refuseUnknownOperators(computedNodes(plain), decoded.opset);
  await noteCarried(context, decoded.nodes, decoded.opset);
  const proof = await proveImport(file, foreign, decoded);
  if (proof !== undefined) {
    const text = `${proof.values} output values of one image of noise as the file gives them, largest difference ${proof.difference.toExponential(1)} of the largest magnitude`;
    context.emit({ type: 'proof', proof: { name: 'import', held: true, text } });
  }
  const found =
    request.inputs['weights'] === undefined
      ? fromModel(plain)
      : await fromWeights(inputPath(request, 'weights'), plain, settings);
  const { network } = found;
  const used = new Set(network.parameters.map((parameter) => parameter.name));
  const constants = [...network.graph.initializers]
    .filter(([name, tensor]) => !used.has(name) && tensor.dtype === 'float32' && elementCount(tensor.shape) > 16)
    .map(([name]) => name);
  for (const name of found.unexpected)
    context.emit({ type: 'note', level: 'warning', text: `unmatched tensor in the weights file: ${name}` });
  for (const name of found.missing)
    context.emit({
      type: 'note',
      level: 'warning',
      text: `tensor of the model without weights (its own value is kept): ${name}`,
    });

  await writeModel(context.outDir, 'model.onnx', network.graph, network);
  const outputs: { [port: string]: string } = {
    model: 'model.onnx',
    backbone: await writeCheckpoint(context.outDir, 'backbone', initialCheckpoint(network, BACKBONE)),
  };
  for (const { name, head } of settings.tasks)
    outputs[`head[${name}]`] = await writeCheckpoint(context.outDir, `head-${name}`, initialCheckpoint(network, head));
  const parameters = network.parameters.reduce((sum, parameter) => sum + elementCount(parameter.shape), 0);
  outputs['report'] = await writeReport(context, 'import', {
    opset: foreign.opset,
    nodes: network.graph.nodes.length,
    parameters,
    loaded: found.loaded,
    unexpected: found.unexpected,
    missing: found.missing,
    unusedConstants: constants,
  });
  return {
    status: 'succeeded',
    outputs,
    summary: { parameters, loaded: found.loaded, unexpected: found.unexpected.length, missing: found.missing.length },
  };
}

function fromModel(network: Network): Loaded {
  return { network, loaded: network.parameters.length, unexpected: [], missing: [] };
}

/** What PyTorch keeps beside a batch norm's statistics; no forward reads it. */
const counter = 'num_batches_tracked';

/** @throws LoadError listing every unmatched tensor when loading is strict, or a shape that does not fit in any case. */
async function fromWeights(
  path: string,
  network: Network,
  { strict = true, rename = {} }: ImportSettings,
): Promise<Loaded> {
  const decoded = decodeSafetensors(await readFile(path));
  if (!decoded.ok)
    throw new LoadError(`the weights file cannot be read: ${decoded.error}`, 'Save the weights again as safetensors.');
  const { graph, parameters, scopes } = network;
  const initializers = new Map<string, IrTensor>(graph.initializers);
  const unexpected: string[] = [];
  const given = new Set<string>();
  for (const [name, tensor] of decoded.value.tensors) {
    const target = rename[name] ?? name;
    const place = initializers.get(target);
    if (place === undefined) {
      if (!name.endsWith(counter)) unexpected.push(name);
      continue;
    }
    if (place.shape.join() !== tensor.shape.join() || place.dtype !== tensor.dtype) {
      throw new LoadError(
        `tensor "${name}" is ${tensor.dtype}[${tensor.shape.join(', ')}], the model's "${target}" is ${place.dtype}[${place.shape.join(', ')}]`,
        'Name the fitting tensor of the model in `rename`, or take the weights from the same network.',
      );
    }
    if (given.has(target))
      throw new LoadError(
        `two tensors of the weights file are for the model's "${target}"`,
        'Give each of them a target of its own in `rename`.',
      );
    initializers.set(target, tensor);
    given.add(target);
  }
  const missing = parameters.map(({ name }) => name).filter((name) => !given.has(name));
  if (strict && unexpected.length + missing.length > 0) {
    throw new LoadError(
      `strict loading: ${unexpected.length} unmatched tensors in the weights file (${unexpected.join(', ')}), ${missing.length} of the model without weights (${missing.join(', ')}); use "rename", or "strict": false`,
      'Name the tensors of the model in `rename`; `strict` false takes what fits and lists the rest.',
    );
  }
  return { network: recogniseNetwork({ ...graph, initializers }, scopes), loaded: given.size, unexpected, missing };
}
