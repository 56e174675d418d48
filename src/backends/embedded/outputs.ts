// Outputs of a job, each written whole under a name that it returns. Equal content gives equal bytes: no times, no paths.
import { join } from 'node:path';
import type { Network } from '../../qat/network/network.ts';
import type { GraphIr, IrTensor } from '../../qat/onnx/ir.ts';
import { encodeModel } from '../../qat/onnx/codec.ts';
import { encodeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { canonicalJson } from '../../support/canonical-json.ts';
import type { Json, JsonObject } from '../../support/json.ts';
import { encodeSafetensors } from '../../support/safetensors.ts';
import { refuseNonFinite, refuseNonFiniteGraph, refuseNonFiniteJson } from './finite-artifacts.ts';
import type { JobContext } from './job-context.ts';

/** @param name without the extension. */
export async function writeCheckpoint(folder: string, name: string, checkpoint: ScopeCheckpoint): Promise<string> {
  const file = `${name}.safetensors`;
  const encoded = encodeCheckpoint(checkpoint);
  refuseNonFinite(file, encoded.tensors);
  await writeFileAtomic(join(folder, file), encodeSafetensors(encoded));
  return file;
}

/** @param network whose graph it is, or was made of: its constants may be infinite. @returns the bytes written. */
export async function writeModel(folder: string, file: string, graph: GraphIr, network?: Network): Promise<Uint8Array> {
  refuseNonFiniteGraph(file, graph, constantsOf(network));
  const bytes = encodeModel(graph);
  await writeFileAtomic(join(folder, file), bytes);
  return bytes;
}

/** All but the parameters, which are trained and quantised. */
function constantsOf(network: Network | undefined): ReadonlySet<IrTensor> {
  const parameters = new Set(network?.parameters.map(({ name }) => name));
  const constants = [...(network?.graph.initializers ?? [])].filter(([name]) => !parameters.has(name));
  return new Set(constants.map(([, tensor]) => tensor));
}

export async function writeJson(folder: string, file: string, value: Json): Promise<string> {
  refuseNonFiniteJson(file, value);
  await writeFileAtomic(join(folder, file), `${canonicalJson(value)}\n`);
  return file;
}

/** What the `report` port carries: `headgate-<kind>` of some version. */
export async function writeReport(
  { outDir }: JobContext,
  kind: string,
  body: JsonObject,
  version = 1,
): Promise<string> {
  return writeJson(outDir, 'report.json', { format: `headgate-${kind}`, version, ...body });
}
