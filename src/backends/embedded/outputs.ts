// Outputs of a job, each written whole under a name that it returns. Equal content gives equal bytes: no times, no paths.
import { join } from 'node:path';
import type { GraphIr } from '../../qat/onnx/ir.ts';
import { encodeModel } from '../../qat/onnx/codec.ts';
import { encodeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import { canonicalJson } from '../../support/canonical-json.ts';
import type { Json, JsonObject } from '../../support/json.ts';
import { encodeSafetensors } from '../../support/safetensors.ts';
import type { JobContext } from './job-context.ts';

/** @param name without the extension. */
export async function writeCheckpoint(folder: string, name: string, checkpoint: ScopeCheckpoint): Promise<string> {
  const file = `${name}.safetensors`;
  await writeFileAtomic(join(folder, file), encodeSafetensors(encodeCheckpoint(checkpoint)));
  return file;
}

/** @returns the bytes written. */
export async function writeModel(folder: string, file: string, graph: GraphIr): Promise<Uint8Array> {
  const bytes = encodeModel(graph);
  await writeFileAtomic(join(folder, file), bytes);
  return bytes;
}

export async function writeJson(folder: string, file: string, value: Json): Promise<string> {
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
