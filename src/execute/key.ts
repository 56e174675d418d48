// A stage's key: everything its outputs depend on, and nothing else (no ids, names, paths, jobs or timeouts).
import { isAbsolute, join } from 'node:path';
import type { StageFailure } from '../events/failures.ts';
import { JOB_PROTOCOL } from '../events/job-protocol.ts';
import type { OutputRecord } from '../events/run-events.ts';
import type { PlannedStage } from '../plan/plan.ts';
import { keyOf } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import type { Digest } from '../support/digest.ts';
import type { Json, JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { StageInputs } from './edges.ts';
import { externalDigest } from './external-digest.ts';
import { environmentOf } from './job-environment.ts';
import type { EmbeddedBackend } from './ports.ts';

export interface StageKey {
  readonly key: Digest;
  readonly preImage: JsonObject;
}

/** Raised when the engine's own gates, selects or the way commands are run change meaning. */
const ENGINE_CODE = 2;
const COMMAND_CODE = 2;
const FIRST_COMMAND_CODE = 1;

/** The part of the pre-image that is known before any input is. */
export function staticPreImage(
  stage: PlannedStage,
  code: EmbeddedBackend['code'],
  { files, env }: Outside,
): JsonObject {
  return {
    kind: stage.kind,
    code: codeOf(stage, code),
    settings: stage.settings,
    ...numbersGiven(stage),
    ...(stage.ordinal === undefined ? {} : { ordinal: stage.ordinal }),
    ...(Object.keys(files).length === 0 ? {} : { files }),
    ...(Object.keys(env).length === 0 ? {} : { env }),
  };
}

/** The seed and the threads that the job is given, if it is given them; what the engine decides itself needs neither. */
export function numbersGiven({ runsOn, seed, threads, withheld = [] }: PlannedStage): {
  seed?: number;
  threads?: number;
} {
  if (runsOn === 'engine') return {};
  return {
    ...(withheld.includes('seed') ? {} : { seed }),
    ...(withheld.includes('threads') ? {} : { threads }),
  };
}

/**
 * What the first version of commands' keys held besides: the workflow's seed and threads, which no command was given. A record
 * under that key is as good; undefined for what has no such key.
 */
export function formerPreImage(stage: PlannedStage, preImage: JsonObject): JsonObject | undefined {
  if (stage.runsOn !== 'command' || 'ordinal' in preImage) return undefined;
  return { ...preImage, code: { command: FIRST_COMMAND_CODE }, seed: stage.seed, threads: stage.threads };
}

export function stageKey(statics: JsonObject, inputs: StageInputs): StageKey {
  const preImage = { ...statics, inputs: inputDigests(inputs) };
  return { key: keyOf(preImage), preImage };
}

/** By port; `spent` is no digest but the milliseconds themselves. */
export function inputDigests({ artifacts, spentMs }: StageInputs): JsonObject {
  const digests = Object.fromEntries(artifacts.map(({ port, output }) => [port, contentOf(output)]));
  return spentMs === undefined ? digests : { ...digests, spent: spentMs };
}

/** A program is not the same as a file of its bytes that cannot be run. */
function contentOf({ digest, executable }: OutputRecord): string {
  return executable === true ? `${digest} executable` : digest;
}

/** Digests of what comes from outside the workflow and its store: files, and declared environment variables. */
export interface Outside {
  readonly files: { readonly [name: string]: Digest };
  readonly env: { readonly [name: string]: string };
}

export async function readOutside(stage: PlannedStage, store: Store): Promise<Result<Outside, StageFailure>> {
  const env = keyedEnvironment(stage);
  if (!env.ok) return env;
  const files = await fileDigests(stage, store);
  return files.ok ? ok({ files: files.value, env: env.value }) : files;
}

/** Most stages declare nothing, and looking through the whole environment for each would cost more than restoring it. */
function keyedEnvironment(stage: PlannedStage): Result<Outside['env'], StageFailure> {
  const { env } = stage.settings;
  if (typeof env !== 'object' || env === null || Object.keys(env).length === 0) return ok({});
  const environment = environmentOf(stage, process.env);
  return environment.ok ? ok(environment.value.keyed) : environment;
}

/** Digests of what a stage reads outside the store, by name. A folder counts as its files, by path and content. */
export async function fileDigests(
  stage: Pick<PlannedStage, 'files'>,
  store: Store,
): Promise<Result<{ readonly [name: string]: Digest }, StageFailure>> {
  const digests: { [name: string]: Digest } = {};
  for (const { name, path } of stage.files) {
    const digest = await externalDigest(store.stats, isAbsolute(path) ? path : join(store.layout.root, path));
    if (!digest.ok) return err({ reason: 'file-unusable', name, ...digest.error });
    if (digest.value === undefined) return err({ reason: 'file-missing', name, path });
    digests[name] = digest.value;
  }
  return ok(digests);
}

function codeOf(stage: PlannedStage, code: EmbeddedBackend['code']): Json {
  switch (stage.runsOn) {
    case 'embedded':
      return { worker: code.worker, onnxruntime: code.onnxruntime };
    case 'command':
      return { command: COMMAND_CODE };
    case 'program':
      return { program: stage.program?.declared ?? [], protocol: JOB_PROTOCOL };
    case 'engine':
      return { engine: ENGINE_CODE };
  }
}
