// The unfinished run that `resume` goes on with, locked: from here on it is this engine's. An owner elsewhere that may be dead
// is watched until that is known; one that lives keeps its run.
import { setTimeout as wait } from 'node:timers/promises';
import type { StoreLayout } from '../store/layout.ts';
import { lockRun, unlockRun, type RunOwner } from '../store/run-lock.ts';
import { err, type Result } from '../support/result.ts';
import type { Mistake } from './mistake.ts';
import { findUnfinished, type PastRun } from './past-runs.ts';

const POLL_MS = 250;

/** @param onWaiting called once, when an owner elsewhere has to be watched. Who does not start the run unlocks it. */
export async function takeUnfinished(
  layout: StoreLayout,
  file: string | undefined,
  onWaiting: (message: string) => void,
): Promise<Result<PastRun, Mistake>> {
  for (let isTold = false; ;) {
    const found = await findUnfinished(layout, file);
    if (!found.ok) return found;
    const { run, folder } = found.value;
    const owner = await lockRun(folder);
    if (owner?.standing === 'alive') {
      return err({ message: `run ${run} is still running (${engineWords(owner)})`, help: 'interrupt it there first' });
    }
    if (owner === undefined) {
      // Until it was locked, somebody else may have ended it.
      const locked = await findUnfinished(layout, file);
      if (locked.ok && locked.value.run === run) return locked;
      unlockRun(folder);
      continue;
    }
    if (!isTold) onWaiting(`run ${run} may still be running (${engineWords(owner)}): waiting for a sign of life`);
    isTold = true;
    await wait(POLL_MS);
  }
}

/** The process that runs a run, and where it is unless that is here. */
export function engineWords({ pid, elsewhere }: RunOwner): string {
  const where = elsewhere === undefined ? '' : ` on ${elsewhere}, another machine or container`;
  return `process ${pid}${where}`;
}
