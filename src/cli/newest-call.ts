// How the newest run was called, for questions about it: its workflow, and its parameters where none are given.
import { resolve } from 'node:path';
import { findRun, workflowFileOf, type PastRun } from '../compose/past-runs.ts';
import type { StoreLayout } from '../store/layout.ts';
import type { WorkflowOptions } from './load-plan.ts';

export interface NewestCall {
  readonly file: string;
  /** Undefined where the newest run is of another workflow. */
  readonly run: PastRun | undefined;
  readonly options: WorkflowOptions;
}

/** Undefined when there is no run and no file was named. */
export async function newestCall(
  layout: StoreLayout,
  asked: WorkflowOptions & { readonly file?: string },
): Promise<NewestCall | undefined> {
  const found = await findRun(layout);
  const newest = found.ok ? found.value : undefined;
  const ran = newest === undefined ? undefined : workflowFileOf(newest, layout);
  const file = asked.file ?? ran;
  if (file === undefined) return undefined;
  const run = ran === resolve(file) ? newest : undefined;
  const own = run === undefined || asked.set !== undefined || asked.params !== undefined;
  return { file, run, options: own ? {} : asJournaled(run) };
}

function asJournaled({ started }: PastRun): WorkflowOptions {
  const { set, params } = started.options;
  const path = typeof params === 'object' && params !== null && 'path' in params ? params['path'] : undefined;
  return {
    ...(Array.isArray(set) ? { set: set.map(String) } : {}),
    ...(typeof path === 'string' ? { params: path } : {}),
  };
}
