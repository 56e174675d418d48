// After a run: what engines that were killed have left. Claims whose engine is gone (their jobs are ended, their resume states
// kept), locks, half-written files, heartbeats. Nothing here is needed for a right result, and nobody has to do it by hand.
// What belongs to an engine of another host or container is left alone until it was silent for long enough.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tokenParts } from '../process/engine-identity.ts';
import { sweepDrafts, sweepDraftsEverywhere } from '../store/abandoned-drafts.ts';
import { jobHere, listClaims, readClaim, removeClaim, standingOf } from '../store/claims.ts';
import { dropHeartbeat } from '../store/heartbeats.ts';
import type { StoreLayout } from '../store/layout.ts';
import { ownersOf } from '../store/owners.ts';
import { dropResumeStates, listResumeStates } from '../store/resume-states.ts';
import { dropDeadLock } from '../store/run-lock.ts';
import { deadRuns } from '../store/runs.ts';
import type { Store } from '../store/store.ts';
import { namesIn } from '../support/missing-files.ts';
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
  if (dead.length > 0 || continued) {
    await sweepDraftsEverywhere(layout);
    // Killed between publishing and dropping them.
    for (const key of await listResumeStates(layout)) {
      if ((await store.actions.read(key)) !== undefined) await dropResumeStates(layout, key);
    }
    for (const folder of dead) await dropDeadLock(folder);
  }
  await clearHeartbeats(layout); // last: if this is killed too, the next run does all of it again
}

async function clearClaims({ layout }: Store, executor: Pick<Executor, 'endOrphan'>): Promise<void> {
  for (const key of await listClaims(layout)) {
    const claim = readClaim(layout, key);
    if (claim === undefined || (await standingOf(layout, key, claim)) !== 'gone') continue;
    // The claim last: while it stands, it says where the state is.
    if (claim.jobFolder !== '') {
      const job = jobHere(claim);
      if (job !== undefined) await executor.endOrphan(job, LAST_GRACE_MS, claim.jobFolder);
      await keepStateOfJob(layout, key, claim.jobFolder);
      await rm(join(claim.jobFolder, 'out'), { recursive: true, force: true }); // of an attempt that nobody ends
    }
    removeClaim(layout, key, claim);
  }
}

async function clearHeartbeats(layout: StoreLayout): Promise<void> {
  for (const name of await namesIn(layout.engines)) {
    const token = name.replace(/\.json$/, '');
    if (tokenParts(token) === undefined) continue;
    if ((await ownersOf(layout).ofToken(token, [])) === 'gone') dropHeartbeat(layout, token);
  }
}
