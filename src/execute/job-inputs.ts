// What a job reads: its inputs in a folder of its own (in/), verified while they are laid and looked at again after it has
// ended, and the files that its stage names.
import { rmSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import type { StageFailure } from '../events/failures.ts';
import type { JobInput } from '../events/job-protocol.ts';
import type { OutputRecord } from '../events/run-events.ts';
import type { PlannedStage } from '../plan/plan.ts';
import { changeOf, layArtifact, removeLaid, type Laid, type LaidFile, type LayAs } from '../store/laid-artifact.ts';
import type { Store } from '../store/store.ts';
import { isDigest } from '../support/digest.ts';
import { fileNameOf, LONGEST_NAME_BYTES } from '../support/file-name.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { ResolvedInput } from './edges.ts';
import { fileDigests } from './key.ts';
import type { LostInput } from './read-metrics.ts';
import { extensionOfType } from './extension-of-type.ts';

export interface LaidInput {
  readonly input: ResolvedInput;
  readonly laid: Laid;
}

export interface LaidInputs {
  readonly folder: string;
  readonly given: { readonly [port: string]: JobInput };
  readonly laid: readonly LaidInput[];
}

/** Verifies every input's bytes, so that nothing is begun that cannot be read. */
export async function verifyInputs(
  store: Store,
  resolved: readonly ResolvedInput[],
): Promise<Result<undefined, LostInput>> {
  for (const input of resolved) {
    const { digest, tree } = input.output;
    const intact = isDigest(digest) && (await store.objects.verify({ digest, tree: tree === true })) === 'intact';
    if (!intact) return err<LostInput>({ reason: 'input-lost', input });
  }
  return ok(undefined);
}

/** Lays every input below the job's folder, each in a folder by its port, under the name that its maker gave it. */
export async function layInputs(
  store: Store,
  resolved: readonly ResolvedInput[],
  jobFolder: string,
  as: LayAs,
): Promise<Result<LaidInputs, LostInput>> {
  const folder = join(jobFolder, 'in');
  const given: { [port: string]: JobInput } = {};
  const laid: LaidInput[] = [];
  const ports = new Set<string>();
  for (const input of resolved) {
    const { digest, tree, type, executable } = input.output;
    const path = join(folder, portFolder(input.port, ports), inputName(input.output));
    const artifact = { digest, tree: tree === true, executable: executable === true };
    const found = isDigest(digest) ? await layArtifact(store.objects, { ...artifact, digest }, path, as) : undefined;
    if (found === undefined) {
      await removeInputs(store, { folder, laid });
      return err<LostInput>({ reason: 'input-lost', input });
    }
    laid.push({ input, laid: found });
    // Every artifact type of the plan is one of the protocol's.
    given[input.port] = { type: type as JobInput['type'], path, digest };
  }
  return ok({ folder, given, laid });
}

export async function removeInputs(store: Store, { folder, laid }: Pick<LaidInputs, 'folder' | 'laid'>): Promise<void> {
  for (const { laid: artifact } of laid) await removeLaid(store.objects, artifact);
  rmSync(folder, { recursive: true, force: true });
}

export type InputsAfter =
  | { readonly are: 'as-laid' }
  /** The job changed what is its alone. */
  | { readonly are: 'modified'; readonly failure: StageFailure }
  /** Files of the store were written into, by this job or by another that had them: what any of them made counts for nothing. */
  | { readonly are: 'void'; readonly failure: StageFailure };

export async function inputsAfter(store: Store, { laid }: LaidInputs): Promise<InputsAfter> {
  let end: InputsAfter = { are: 'as-laid' };
  for (const { input, laid: artifact } of laid) {
    const change = await changeOf(store.objects, artifact);
    if (change === undefined) continue;
    const { port, from, output } = input;
    const where = { port, from: `${from.stage}.${from.port}`, digest: output.digest };
    if (change.is === 'own') end = { are: 'modified', failure: { reason: 'input-modified', ...where } };
    else {
      await renewAll(store, change.files);
      if (end.are !== 'modified') end = { are: 'void', failure: { reason: 'input-changed', ...where } };
    }
  }
  return end;
}

async function renewAll({ objects }: Store, files: readonly LaidFile[]): Promise<void> {
  for (const { digest, face } of files) {
    // Another job that had the same file may have ended before: then there is a new one by now.
    if (objects.fileOf(digest) === face.file) await objects.renew(digest);
  }
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

/** A folder's name for a port; no two ports get the same. */
function portFolder(port: string, taken: Set<string>): string {
  const short = fileNameOf(port).slice(0, 100);
  let name = /^\.*$/.test(short) ? 'port' : short;
  for (let count = 2; taken.has(name); count++) name = `${short}~${count}`;
  taken.add(name);
  return name;
}

/** The name that its maker gave it. Records of older programs, and what the engine itself decides, have none. */
function inputName({ name, type, tree }: OutputRecord): string {
  const isName = name !== undefined && !/^\.{0,2}$|[/\0]/.test(name) && Buffer.byteLength(name) <= LONGEST_NAME_BYTES;
  if (isName && (extname(name) !== '' || type === 'file' || tree === true)) return name;
  return `${isName ? name : type}${tree === true ? '' : extensionOfType(type)}`;
}
