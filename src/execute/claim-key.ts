// Before a key is worked on: another engine that is at it is waited for, and what a dead one left is taken over (its job
// ended, its resume state kept). Only saves work; the store stays right without it.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { identifyProcess, isProcessAlive } from '../process/process-identity.ts';
import { readClaim } from '../store/claims.ts';
import { keepResumeState } from '../store/resume-states.ts';
import type { Store } from '../store/store.ts';
import type { Digest } from '../support/digest.ts';
import type { Executor } from './ports.ts';

const POLL_MS = 200;

/** True when the key is this engine's to work on; false when another engine has finished with it meanwhile. */
export async function awaitClaim(
  store: Store,
  executor: Executor,
  key: Digest,
  orphanGraceMs: number,
  stopping: AbortSignal,
): Promise<boolean> {
  const self = await identifyProcess(process.pid);
  let waited = false;
  for (;;) {
    const claim = await readClaim(store.layout, key);
    if (claim === undefined) return !waited;
    const own = claim.engine.pid === self.pid && claim.engine.startTime === self.startTime;
    if (own || !(await isProcessAlive(claim.engine))) {
      if (claim.job !== undefined) await executor.endOrphan(claim.job, orphanGraceMs, claim.jobFolder);
      await keepResumeState(store.layout, key, join(claim.jobFolder, 'resume'));
      return true;
    }
    if (stopping.aborted) return false;
    waited = true;
    await wait(POLL_MS);
  }
}
