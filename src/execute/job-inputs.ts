// What a job reads: its inputs in the store, verified before it starts and looked at again after, and the files that its
// stage names.
import { resolve } from 'node:path';
import type { StageFailure } from '../events/failures.ts';
import type { JobInput } from '../events/job-protocol.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { Store } from '../store/store.ts';
import { isDigest } from '../support/digest.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { ResolvedInput } from './edges.ts';
import { fileDigests } from './key.ts';
import type { LostInput } from './read-metrics.ts';

/** Verifies every input's bytes and says where a job can read them. */
export async function openInputs(
  store: Store,
  resolved: readonly ResolvedInput[],
): Promise<Result<{ readonly [port: string]: JobInput }, LostInput>> {
  const inputs: { [port: string]: JobInput } = {};
  for (const input of resolved) {
    const { digest, tree, type } = input.output;
    const lost = err<LostInput>({ reason: 'input-lost', input });
    if (!isDigest(digest)) return lost;
    if ((await store.objects.verify({ digest, tree: tree === true })) !== 'intact') return lost;
    const path = tree === true ? await store.folderOf(digest) : store.objects.pathOf(digest);
    if (path === undefined) return lost;
    // Every artifact type of the plan is one of the protocol's.
    inputs[input.port] = { type: type as JobInput['type'], path, digest };
  }
  return ok(inputs);
}

/** An input whose bytes a program has changed (it is quarantined by then): what else it wrote cannot be trusted. */
export async function modifiedInput(
  store: Store,
  resolved: readonly ResolvedInput[],
): Promise<StageFailure | undefined> {
  for (const { port, from, output } of resolved) {
    const { digest, tree } = output;
    const intact = isDigest(digest) && (await store.objects.verify({ digest, tree: tree === true })) === 'intact';
    if (!intact) return { reason: 'input-modified', port, from: `${from.stage}.${from.port}`, digest };
  }
  return undefined;
}

/** Files and folders outside the store that the stage names, under those names: their digests are in the key, their paths are not. */
export async function openFiles(
  store: Store,
  stage: PlannedStage,
): Promise<Result<{ readonly [name: string]: JobInput }, StageFailure>> {
  const digests = await fileDigests(stage, store);
  if (!digests.ok) return digests;
  // Its own code is what runs, not what it reads.
  const entries = stage.files
    .filter(({ code }) => code !== true)
    .map(({ name, path }): [string, JobInput] => [
      name,
      { type: 'file', path: resolve(store.layout.root, path), digest: digests.value[name] ?? '' },
    ]);
  return ok(Object.fromEntries(entries));
}
