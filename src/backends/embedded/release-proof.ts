// The release proof of a merge: of the released model that it adds to, every scope is in the merged model tensor by tensor and
// byte by byte, and on the gate images the released model (its own graph) and the merged one give the same boundary tensors
// and the same outputs of every released head. A difference names scope, tensor, index, old and new value.
import type { JobRequest } from '../../events/job-protocol.ts';
import { compareCheckpoints } from '../../qat/freeze/compare.ts';
import type { Difference } from '../../qat/freeze/compare.ts';
import { BACKBONE } from '../../qat/network/network.ts';
import { digestBytes } from '../../support/digest.ts';
import type { JsonObject } from '../../support/json.ts';
import { ForwardRunner } from './forward-runner.ts';
import { inputPath, readDataset } from './inputs.ts';
import type { JobContext } from './job-context.ts';
import { JobError } from './job-error.ts';
import { readMergedFiles, scopeFileOf } from './merged-manifest.ts';
import type { MergedFiles } from './merged-manifest.ts';
import { mergedIn } from './merged-model.ts';
import type { MergedModel } from './merged-model.ts';
import { compareForwards, forwardOf } from './probe.ts';
import type { WholeModelSettings } from './settings.ts';

export interface MergedBesideRelease {
  readonly request: JobRequest;
  readonly context: JobContext;
  readonly settings: WholeModelSettings;
  /** As written, and as it runs. */
  readonly files: MergedFiles;
  readonly merged: MergedModel;
}

/** @returns what the report says; nothing where no release was given. @throws JobError 'release-changed'. */
export async function proveReleaseKept(proof: MergedBesideRelease): Promise<JsonObject | undefined> {
  const { request, context, merged } = proof;
  if (request.inputs['release'] === undefined) return undefined;
  const files = await readMergedFiles(inputPath(request, 'release'));
  const released = mergedIn(files);
  const scopes: { [scope: string]: JsonObject } = {};
  for (const [scope, { checkpoint }] of released.scopes) {
    const held = merged.scopes.get(scope);
    const what = scope === BACKBONE ? 'backbone' : `head "${scope}"`;
    if (held === undefined) throw changed(`released ${what} is not in the merged model`);
    const { tensors, values, differences } = compareCheckpoints(checkpoint, held.checkpoint);
    refuse(`released ${what}`, differences);
    const [before, after] = [files, proof.files].map(({ bytes }) => bytes.get(scopeFileOf(scope)) ?? new Uint8Array());
    const digest = digestBytes(before as Uint8Array);
    if (digest !== digestBytes(after as Uint8Array))
      throw changed(`the file of released ${what} is written with other bytes`);
    scopes[scope] = { tensors, values, file: digest };
    const text = `${scope}: ${tensors} tensors, ${values} values bit-equal, its file byte for byte the released one (${digest.slice(0, 12)})`;
    context.emit({ type: 'proof', proof: { name: 'release', held: true, text } });
  }
  const outputs = await compareOutputs(proof, released);
  const heads = Object.keys(released.network.scopes.heads);
  const text = `backbone boundary and ${heads.join(', ')}: ${outputs.values} values of ${outputs.images} gate images bit-equal in the released and the merged model`;
  context.emit({ type: 'proof', proof: { name: 'release', held: true, text } });
  return { digest: files.digest, scopes, outputs };
}

/** The released model runs as it was: on its own graph. Tasks that share their gate data are compared on it together. */
async function compareOutputs(
  { request, settings, merged }: MergedBesideRelease,
  released: MergedModel,
): Promise<{ readonly images: number; readonly values: number }> {
  const { batch, probe, tasks } = settings;
  const { backbone, heads } = released.network.scopes;
  const outputs = [...backbone.boundary, ...Object.values(heads).flatMap((head) => head.outputs)];
  const start = ({ network, scopes }: MergedModel): Promise<ForwardRunner> =>
    ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
  const [before, after] = [await start(released), await start(merged)];
  const ports = new Map(
    tasks.map(({ name }) => [request.inputs[`data[${name}.gate]`]?.digest, `data[${name}.gate]`] as const),
  );
  let [images, values] = [0, 0];
  for (const port of ports.values()) {
    const dataset = await readDataset(request, port, merged.network);
    const left = forwardOf(released.network, before);
    const result = await compareForwards(dataset, batch, probe, left, forwardOf(merged.network, after));
    refuse('an output of the released model', result.differences);
    images += result.images;
    values += result.values;
  }
  await Promise.all([before.release(), after.release()]);
  return { images, values };
}

function refuse(what: string, differences: readonly Difference[]): void {
  const [first] = differences;
  if (first === undefined) return;
  const place = first.index < 0 ? '' : ` at index ${first.index}`;
  const more = differences.length > 1 ? ` (and ${differences.length - 1} more)` : '';
  throw changed(`${what} changed: ${first.tensor}${place}: ${first.before} → ${first.after}${more}`, differences);
}

function changed(message: string, differences: readonly Difference[] = []): JobError {
  return new JobError({
    reason: 'release-changed',
    message,
    remedy: 'Merge backbone and released heads as the `release` stage gives them; only the new head may be another.',
    details: differences.map((difference) => ({ ...difference })),
  });
}
