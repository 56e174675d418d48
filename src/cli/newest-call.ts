// How the newest run was called, for questions about it: its workflow, and its parameters where none are given.
import { resolve } from 'node:path';
import { findRun, workflowFileOf, type PastRun } from '../compose/past-runs.ts';
import type { Mistake } from '../compose/mistake.ts';
import { warningsOf } from '../compose/told-run.ts';
import type { StoreLayout } from '../store/layout.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { WorkflowOptions } from './load-plan.ts';
import type { Terminal } from './terminal.ts';

export interface NewestCall {
  readonly file: string;
  /** Undefined where the newest run is of another workflow. */
  readonly run: PastRun | undefined;
  readonly options: WorkflowOptions;
}

/** A mistake when there is no run to be told and no file was named. Damaged runs on the way there are named on standard error. */
export async function newestCall(
  { stderr }: Pick<Terminal, 'stderr'>,
  layout: StoreLayout,
  asked: WorkflowOptions & { readonly file?: string },
): Promise<Result<NewestCall, Mistake>> {
  const found = await findRun(layout);
  const newest = found.ok ? found.value : undefined;
  const ran = newest === undefined ? undefined : workflowFileOf(newest, layout);
  const file = asked.file ?? ran;
  for (const warning of newest === undefined ? [] : warningsOf(newest)) stderr.write(`headgate: ${warning}\n`);
  if (file === undefined)
    return err(found.ok ? { message: `run ${found.value.run} does not say which workflow it ran` } : found.error);
  const run = ran === resolve(file) ? newest : undefined;
  const own = run === undefined || asked.set !== undefined || asked.params !== undefined;
  return ok({ file, run, options: own ? {} : asJournaled(run) });
}

function asJournaled({ started }: PastRun): WorkflowOptions {
  const { set, params } = started.options;
  const path = typeof params === 'object' && params !== null && 'path' in params ? params['path'] : undefined;
  return {
    ...(Array.isArray(set) ? { set: set.map(String) } : {}),
    ...(typeof path === 'string' ? { params: path } : {}),
  };
}
