// Runs of the past, as their journals tell them.
import { findRun } from '../compose/past-runs.ts';
import { foldRun, type RunReport } from '../report/run-report.ts';
import type { RunId } from '../events/ids.ts';
import { listRuns as runsIn } from '../store/runs.ts';
import { openStore } from '../store/store.ts';

/** The ids of all runs under a root, newest first. */
export function listRuns(root = '.'): Promise<readonly RunId[]> {
  return runsIn(openStore(root).layout);
}

/** The newest run, or the one that `which` names as the command line does; undefined when there is none. */
export async function readRun(root = '.', which?: string): Promise<RunReport | undefined> {
  const found = await findRun(openStore(root).layout, which);
  return found.ok ? foldRun(found.value.journal.events) : undefined;
}
