// What a `command` stage, or a program of a package, sees of the environment: what any program needs, and what the workflow
// declares. Declared values enter the key by their digest, secrets by their name alone; a variable that is missing is a
// failure before anything starts.
import type { StageFailure } from '../events/failures.ts';
import type { PlannedStage } from '../plan/plan.ts';
import { digestBytes } from '../support/digest.ts';
import { isJsonObject, jsonText, type Json, type JsonObject } from '../support/json.ts';
import { SHORTEST_SECRET, type Secret } from '../support/redaction.ts';
import { err, ok, type Result } from '../support/result.ts';

export type Environment = { readonly [name: string]: string | undefined };

export interface JobEnvironment {
  readonly values: { readonly [name: string]: string };
  readonly secrets: readonly Secret[];
  /** Name → digest, of the values that outputs may depend on. Literal ones are among the settings already. */
  readonly keyed: { readonly [name: string]: string };
}

/** What any program needs to work at all; everything else is named by the workflow, so that no run depends on it unseen. */
const ALWAYS =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|LANG|LC_[A-Z]+|TZ|TERM|LD_LIBRARY_PATH|SystemRoot|VIRTUAL_ENV)$/;

/** Whatever program opens a session of onnxruntime, its vendor's telemetry client stays off; it must be said at its start. */
export const NO_TELEMETRY = { ORT_DISABLE_TELEMETRY: '1' } as const;

export function environmentOf(
  stage: Pick<PlannedStage, 'runsOn' | 'settings'>,
  given: Environment,
): Result<JobEnvironment, StageFailure> {
  const declares = stage.runsOn === 'command' || stage.runsOn === 'program';
  const declared = declares ? stage.settings['env'] : undefined;
  const values: { [name: string]: string } = { ...NO_TELEMETRY };
  const keyed: { [name: string]: string } = {};
  const secrets: Secret[] = [];
  const missing: string[] = [];
  for (const [name, value] of Object.entries(given)) if (ALWAYS.test(name) && value !== undefined) values[name] = value;
  for (const [name, variable] of declarationsOf(declared)) {
    if (typeof variable === 'string') {
      values[name] = variable;
      continue;
    }
    const { from = name, default: otherwise, secret, keyed: enters } = variable;
    const value = given[jsonText(from)] ?? otherwise;
    if (typeof value !== 'string') {
      missing.push(jsonText(from));
      continue;
    }
    values[name] = value;
    if (secret === true) {
      if (value.length < SHORTEST_SECRET) return err({ reason: 'secret-too-short', name, shortest: SHORTEST_SECRET });
      secrets.push({ name, value });
    } else if (enters !== false) keyed[name] = digestBytes(value);
  }
  return missing.length > 0 ? err({ reason: 'variable-missing', names: missing }) : ok({ values, secrets, keyed });
}

/** The secrets of all jobs of a plan whose environment is whole. */
export function secretsOf(stages: readonly Pick<PlannedStage, 'runsOn' | 'settings'>[]): readonly Secret[] {
  return stages.filter(readsEnvironment).flatMap((stage) => {
    const environment = environmentOf(stage, process.env);
    return environment.ok ? environment.value.secrets : [];
  });
}

/** Whether the stage takes anything from the environment, and not only what the workflow says. */
export function readsEnvironment({ settings }: Pick<PlannedStage, 'settings'>): boolean {
  return declarationsOf(settings['env']).some(([, variable]) => typeof variable !== 'string');
}

/** As a list of names or by name, as settings hold it. */
function declarationsOf(declared: Json | undefined): readonly (readonly [string, string | JsonObject])[] {
  if (Array.isArray(declared)) return declared.map((name) => [String(name), {}]);
  if (!isJsonObject(declared)) return [];
  return Object.entries(declared).map(([name, value]) => [name, isJsonObject(value) ? value : jsonText(value)]);
}
