// What a run was asked, as its journal keeps it: enough to make the same plan again.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { isMissing } from '../support/missing-files.ts';
import type { JsonObject } from '../support/json.ts';
import type { ConductOptions } from './conduct-run.ts';
import type { SelectionOptions } from './prepare.ts';
import { journaledManner } from './run-options.ts';

export type RunOptions = SelectionOptions & ConductOptions;

/** What `resume` needs to make the same plan again; the params file's text, because files are edited. */
export async function journaledOptions(file: string, options: RunOptions): Promise<JsonObject> {
  const { set = [], params, until, only, force } = options;
  const text =
    params === undefined
      ? undefined
      : await readFile(params, 'utf8').catch((error: unknown) => {
          if (isMissing(error)) return undefined;
          throw error;
        });
  return {
    file: resolve(file),
    set: [...set],
    ...(params === undefined || text === undefined ? {} : { params: { path: resolve(params), text } }),
    ...(until === undefined ? {} : { until: [...until] }),
    ...(only === undefined ? {} : { only: [...only] }),
    ...(force === undefined ? {} : { force: [...force] }),
    ...journaledManner(options),
  };
}
