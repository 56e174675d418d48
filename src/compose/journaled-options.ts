// What `resume` needs to make the same plan again, as the journal keeps it.
import { resolve } from 'node:path';
import { readTextIfPresent } from '../support/missing-files.ts';
import type { JsonObject } from '../support/json.ts';
import type { StageChoice } from './select-stages.ts';

export interface Asked extends StageChoice {
  readonly set?: readonly string[];
  /** Path of a params file: its text is kept, because files are edited. */
  readonly params?: string;
}

export async function journaledOptions(file: string, asked: Asked, manner: JsonObject = {}): Promise<JsonObject> {
  const { set = [], params, until, only, force } = asked;
  // What cannot be read is for the planner to say, with its place.
  const text = params === undefined ? undefined : await readTextIfPresent(params).catch(() => undefined);
  return {
    file: resolve(file),
    set: [...set],
    ...(params === undefined || text === undefined ? {} : { params: { path: resolve(params), text } }),
    ...(until === undefined ? {} : { until: [...until] }),
    ...(only === undefined ? {} : { only: [...only] }),
    ...(force === undefined ? {} : { force: [...force] }),
    ...manner,
  };
}
