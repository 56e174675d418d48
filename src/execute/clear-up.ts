// After a run: what engines that were killed have left. Claims whose engine is gone (their jobs are ended, their resume states
// kept), locks, half-written files. Nothing here is needed for a right result, and nobody has to do it by hand.
import { isProcessAlive } from '../process/process-identity.ts';
import { listClaims, readClaim, removeClaim, thisHost } from '../store/claims.ts';
import { dropResumeStates, listResumeStates } from '../store/resume-states.ts';
import { deadRuns, unlockRun } from '../store/runs.ts';
import { sweepDrafts, sweepDraftsEverywhere } from '../store/abandoned-drafts.ts';
import type { Store } from '../store/store.ts';
import { keepStateOfJob } from './job-directory.ts';
import type { Executor } from './ports.ts';

/** For a resume state: whoever lost its engine has had the whole run to write it. */
const LAST_GRACE_MS = 2000;

/** @param continued whether the run goes on with one that had not ended: then that one may have left something, too. */
export async function clearUp(store: Store, executor: Pick<Executor, 'endOrphan'>, continued: boolean): Promise<void> {
  const { layout } = store;
  await sweepDrafts(layout);
  await clearClaims(store, executor);
  const dead = await deadRuns(layout);
  if (dead.length === 0 && !continued) return;
  await sweepDraftsEverywhere(layout);
  // Killed between publishing and dropping them.
  for (const key of await listResumeStates(layout)) {
    if ((await store.actions.read(key)) !== undefined) await dropResumeStates(layout, key);
  }
  for (const folder of dead) await unlockRun(folder); // last: if this is killed too, the next run does all of it again
}

/** Of this host only: whether an engine elsewhere lives is for those to find out who wait for it. */
async function clearClaims({ layout }: Store, executor: Pick<Executor, 'endOrphan'>): Promise<void> {
  for (const key of await listClaims(layout)) {
    const claim = readClaim(layout, key);
    if (claim === undefined || claim.host !== thisHost || (await isProcessAlive(claim.engine))) continue;
    // The claim last: while it stands, it says where the state is.
    if (claim.jobFolder !== '') {
      if (claim.job !== undefined) await executor.endOrphan(claim.job, LAST_GRACE_MS, claim.jobFolder);
      await keepStateOfJob(layout, key, claim.jobFolder);
    }
    removeClaim(layout, key, claim);
  }
}
