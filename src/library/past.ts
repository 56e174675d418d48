// Runs of the past, as their journals tell them.
import type { UntoldRun } from '../compose/damage-words.ts';
import { findRun } from '../compose/past-runs.ts';
import { reportOf, type ToldRun } from '../compose/told-run.ts';
import type { RunId } from '../events/ids.ts';
import { listRuns as runsIn } from '../store/runs.ts';
import { openStore } from '../store/store.ts';

/** A past run; `damage` says that its journal has lost something, and `untold` names newer runs that cannot be told at all. */
export type PastRunReport = ToldRun & { readonly untold?: readonly UntoldRun[] };

/** The ids of all runs under a root, newest first. */
export function listRuns(root = '.'): Promise<readonly RunId[]> {
  return runsIn(openStore(root).layout);
}

/** The newest run that can be told, or the one that `which` names as the command line does; undefined when there is none. */
export async function readRun(root = '.', which?: string): Promise<PastRunReport | undefined> {
  const found = await findRun(openStore(root).layout, which);
  const report = found.ok ? reportOf(found.value) : undefined;
  if (!found.ok || report === undefined || found.value.untold.length === 0) return report;
  return { ...report, untold: found.value.untold };
}
