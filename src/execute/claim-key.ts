// Before a key is worked on: another engine that is at it is waited for, and what a dead one left is taken over (its job
// ended, its resume state kept). Only saves work; the store stays right without it.
import { setTimeout as wait } from 'node:timers/promises';
import { isOwnEngine, ownEngine } from '../process/engine-identity.ts';
import {
  jobHere,
  readClaim,
  removeClaim,
  standingOf,
  takeClaim,
  type Claim,
  type FoundClaim,
} from '../store/claims.ts';
import { Owners, ownersOf } from '../store/owners.ts';
import type { Store } from '../store/store.ts';
import type { Digest } from '../support/digest.ts';
import { keepStateOfJob } from './job-directory.ts';
import type { Executor } from './ports.ts';

/** Of this engine alone, in milliseconds, monotonic: clocks of different hosts are never compared. */
interface Clock {
  readonly now: () => number;
  readonly wait: (milliseconds: number) => Promise<unknown>;
}

export interface Claiming {
  readonly store: Store;
  readonly executor: Executor;
  readonly run: string;
  readonly orphanGraceMs: number;
  readonly stopping: AbortSignal;
  /** Called once, when it turns out that another engine has to be waited for. */
  readonly onWaiting: (owner: FoundClaim) => void;
  /** Another than the machine's: then nothing counts that was seen before. */
  readonly clock?: Clock;
}

const [FIRST_POLL_MS, LONGEST_POLL_MS] = [50, 500];

/** True when the key is this engine's to work on; false when another engine has finished with it meanwhile. */
export async function claimKey(claiming: Claiming, key: Digest): Promise<boolean> {
  const { store, run, stopping, onWaiting, clock } = claiming;
  const owners = clock === undefined ? ownersOf(store.layout) : new Owners(store.layout, clock.now);
  const own: Claim = { engine: ownEngine(), run, jobFolder: '' };
  // This engine has no job for the key: a claim of its own is from an earlier run of the same process.
  const isOver = async (claim: FoundClaim): Promise<boolean> =>
    isOwnEngine(claim.engine) || (await standingOf(store.layout, key, claim, owners)) === 'gone';
  let waited = false;
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(2 * pollMs, LONGEST_POLL_MS)) {
    const claim = readClaim(store.layout, key);
    if (claim === undefined) {
      if (waited) return false;
      if (takeClaim(store.layout, key, own)) return true;
    } else if (await isOver(claim)) {
      // In this order: whoever is killed in between leaves a claim that still says where the dead one's state is.
      await inherit(claiming, key, claim);
      removeClaim(store.layout, key, claim);
    } else {
      if (stopping.aborted) return false;
      if (!waited) onWaiting(claim);
      waited = true;
      await (clock?.wait ?? wait)(pollMs);
    }
  }
}

/** What a dead engine left: its job is ended, what the job had reached is kept. Harmless if several do it at once. */
async function inherit({ store, executor, orphanGraceMs }: Claiming, key: Digest, claim: Claim): Promise<void> {
  if (claim.jobFolder === '') return;
  const job = jobHere(claim);
  if (job !== undefined) await executor.endOrphan(job, orphanGraceMs, claim.jobFolder);
  await keepStateOfJob(store.layout, key, claim.jobFolder);
}
