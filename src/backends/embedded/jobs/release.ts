// The `release` job: a merged model of an earlier run, taken from where it was delivered. Its files are verified against their
// list and handed on byte for byte; the backbone comes once more in float, quantisers off, for what is measured against float.
import { join } from 'node:path';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { BACKBONE, headNames } from '../../../qat/network/network.ts';
import type { Network } from '../../../qat/network/network.ts';
import type { ScopeForward } from '../../../qat/network/reference.ts';
import { encodeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../../qat/quantize/checkpoint.ts';
import type { JsonObject } from '../../../support/json.ts';
import { inputPath } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { fileIn, GRAPH, readMergedFiles, scopeFileOf } from '../merged-manifest.ts';
import { mergedIn, writeFiles } from '../merged-model.ts';
import { writeCheckpoint, writeReport } from '../outputs.ts';
import { settingsOf } from '../settings.ts';

interface ReleaseSettings {
  readonly tasks: readonly { readonly name: string; readonly head: string }[];
  /** Of merged.json. */
  readonly digest?: string;
}

export async function runRelease(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const { tasks, digest } = settingsOf<ReleaseSettings>(request.settings);
  const files = await readMergedFiles(inputPath(request, 'folder'));
  if (digest !== undefined && digest !== files.digest)
    throw new JobError({
      reason: 'merged-model',
      message: `the released model is another one: merged.json has SHA-256 ${files.digest}, asked for is ${digest}`,
      remedy: 'Name the folder of that release, or its digest.',
    });
  const { network, scopes } = mergedIn(files);
  checkTasks(network, tasks);
  const { outDir } = context;
  await writeFiles(join(outDir, 'merged'), files.bytes);
  const single: [string, Uint8Array][] = [
    ['model.onnx', fileIn(files, GRAPH)],
    ['backbone.safetensors', fileIn(files, scopeFileOf(BACKBONE))],
  ];
  const outputs: { [port: string]: string } = {
    merged: 'merged',
    model: 'model.onnx',
    backbone: 'backbone.safetensors',
  };
  for (const { name, head } of tasks) {
    outputs[`head[${name}]`] = `head-${name}.safetensors`;
    single.push([`head-${name}.safetensors`, fileIn(files, scopeFileOf(head))]);
  }
  await writeFiles(outDir, new Map(single));
  outputs['float'] = await writeCheckpoint(outDir, 'float', withoutQuantisers(scopes));
  const rows = Object.fromEntries([...scopes].map(([scope, { checkpoint }]) => [scope, rowOf(checkpoint)]));
  context.emit({
    type: 'proof',
    proof: {
      name: 'release',
      held: true,
      text: `${files.bytes.size} files as merged.json ${files.digest.slice(0, 12)} lists them: ${[...scopes.keys()].join(', ')}`,
    },
  });
  outputs['report'] = await writeReport(context, 'release', { digest: files.digest, scopes: rows });
  return { status: 'succeeded', outputs, summary: { digest: files.digest, heads: headNames(network) } };
}

/** A released head that no task names could be neither merged again nor proven. */
function checkTasks(network: Network, tasks: ReleaseSettings['tasks']): void {
  const heads = headNames(network);
  const held = `the released model has ${heads.map((head) => `"${head}"`).join(', ')}`;
  const missing = tasks.find(({ head }) => !heads.includes(head));
  const unnamed = heads.find((head) => !tasks.some((task) => task.head === head));
  const message =
    missing !== undefined
      ? `there is no head "${missing.head}" for task "${missing.name}"; ${held}`
      : unnamed !== undefined
        ? `no task is named for head "${unnamed}"; ${held}`
        : undefined;
  if (message !== undefined)
    throw new JobError({
      reason: 'merged-model',
      message,
      remedy: "List the released tasks in the stage's `tasks`, and declare each with its data.",
    });
}

function withoutQuantisers(scopes: ReadonlyMap<string, ScopeForward>): ScopeCheckpoint {
  const { scope, graph, parameters } = (scopes.get(BACKBONE) as ScopeForward).checkpoint;
  return { scope, state: 'float', graph, parameters };
}

function rowOf(checkpoint: ScopeCheckpoint): JsonObject {
  const { tensors } = encodeCheckpoint(checkpoint);
  const values = [...tensors.values()].reduce((sum, tensor) => sum + tensor.data.length, 0);
  return { state: checkpoint.state, tensors: tensors.size, values };
}
