// What a run was asked on the command line, as its journal keeps it.
import { journaledOptions as journaledChoice } from '../compose/journaled-options.ts';
import type { JsonObject } from '../support/json.ts';
import type { ConductOptions } from './conduct-run.ts';
import type { SelectionOptions } from './prepare.ts';
import { journaledManner } from './run-options.ts';

export type RunOptions = SelectionOptions & ConductOptions;

/** What to run, and how. */
export function journaledOptions(file: string, options: RunOptions): Promise<JsonObject> {
  return journaledChoice(file, options, journaledManner(options));
}
