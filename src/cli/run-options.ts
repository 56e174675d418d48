// The options of `run` and `resume` that say how to run, not what: read from the command line, journaled, and taken over by
// `resume` unless it is told otherwise.
import type { StageId } from '../events/ids.ts';
import type { RunSettings } from '../execute/run-plan.ts';
import { parseDuration } from '../support/duration.ts';
import { isJsonObject, type JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';

export interface RunManner {
  readonly jobs?: number;
  readonly resources?: readonly string[];
  readonly keepGoing?: boolean;
  readonly timeout?: string;
  readonly keepFailed?: boolean;
  readonly fault?: readonly string[];
}

type Settings = Pick<RunSettings, 'jobs' | 'resources' | 'keepGoing' | 'keepFailed' | 'defaultTimeoutMs' | 'faults'>;

export function runSettings(manner: RunManner): Result<Settings, { readonly message: string; readonly help?: string }> {
  const { jobs, keepGoing, keepFailed, timeout } = manner;
  const resources = parseResources(manner.resources ?? []);
  if (!resources.ok) return err({ message: resources.error, help: 'for example --resources gpu=1' });
  const faults = parseFaults(manner.fault ?? []);
  if (!faults.ok) return err({ message: faults.error });
  const defaultTimeoutMs = timeout === undefined ? undefined : parseDuration(timeout);
  if (timeout !== undefined && defaultTimeoutMs === undefined) {
    return err({ message: `--timeout ${timeout} is no time from 1ms to 500h`, help: 'for example --timeout 30m' });
  }
  return ok({
    resources: resources.value,
    faults: faults.value,
    ...(jobs === undefined ? {} : { jobs }),
    ...(keepGoing === undefined ? {} : { keepGoing }),
    ...(keepFailed === undefined ? {} : { keepFailed }),
    ...(defaultTimeoutMs === undefined ? {} : { defaultTimeoutMs }),
  });
}

export function journaledManner({ jobs, resources, keepGoing, keepFailed, timeout }: RunManner): JsonObject {
  return {
    ...(jobs === undefined ? {} : { jobs }),
    ...(resources === undefined ? {} : { resources: [...resources] }),
    ...(keepGoing === undefined ? {} : { keepGoing }),
    ...(keepFailed === undefined ? {} : { keepFailed }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}

/** As a run was started, with what was said anew. */
export function mannerAgain(
  { jobs, resources, keepGoing, keepFailed, timeout }: JsonObject,
  anew: RunManner,
): RunManner {
  return {
    ...(typeof jobs === 'number' ? { jobs } : {}),
    ...(Array.isArray(resources) ? { resources: resources.map(String) } : {}),
    ...(typeof keepGoing === 'boolean' ? { keepGoing } : {}),
    ...(typeof keepFailed === 'boolean' ? { keepFailed } : {}),
    ...(typeof timeout === 'string' ? { timeout } : {}),
    ...anew,
  };
}

function parseResources(texts: readonly string[]): Result<{ readonly [token: string]: number }, string> {
  const resources: { [token: string]: number } = {};
  for (const text of texts) {
    const [, token, count] = /^([A-Za-z][\w-]*)=(\d+)$/.exec(text) ?? [];
    if (token === undefined) return err(`--resources ${text} is not of the form token=n`);
    if (Number(count) < 1) return err(`--resources ${text} leaves nothing for the stages that need "${token}"`);
    resources[token] = Number(count);
  }
  return ok(resources);
}

function parseFaults(texts: readonly string[]): Result<ReadonlyMap<StageId, JsonObject>, string> {
  const faults = new Map<StageId, JsonObject>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    try {
      const fault: unknown = JSON.parse(text.slice(equals + 1));
      if (equals < 1 || !isJsonObject(fault)) return err(`--fault ${text} is not of the form stage={...}`);
      faults.set(text.slice(0, equals) as StageId, fault);
    } catch {
      return err(`--fault ${text} is not of the form stage={...}`);
    }
  }
  return ok(faults);
}
