// Before a key is worked on: another engine that is at it is waited for, and what a dead one left is taken over (its job
// ended, its resume state kept). Only saves work; the store stays right without it.
import { setTimeout as wait } from 'node:timers/promises';
import { identifyProcess, isProcessAlive } from '../process/process-identity.ts';
import {
  HEARTBEAT_MS,
  readClaim,
  removeClaim,
  takeClaim,
  thisHost,
  type Claim,
  type FoundClaim,
} from '../store/claims.ts';
import type { Store } from '../store/store.ts';
import type { Digest } from '../support/digest.ts';
import { keepStateOfJob } from './job-directory.ts';
import type { Executor } from './ports.ts';

/** Of this engine alone, in milliseconds, monotonic: clocks of different hosts are never compared. */
interface Clock {
  readonly now: () => number;
  readonly wait: (milliseconds: number) => Promise<unknown>;
}

const ownClock: Clock = { now: () => performance.now(), wait };

export interface Claiming {
  readonly store: Store;
  readonly executor: Executor;
  readonly run: string;
  readonly orphanGraceMs: number;
  readonly stopping: AbortSignal;
  /** Called once, when it turns out that another engine has to be waited for. */
  readonly onWaiting: (owner: Claim) => void;
  readonly clock?: Clock;
}

const [FIRST_POLL_MS, LONGEST_POLL_MS] = [50, 500];
/** An owner elsewhere that has not moved its claim for so long, by this engine's own clock, is dead. */
const SILENT_MS = 6 * HEARTBEAT_MS;

/** True when the key is this engine's to work on; false when another engine has finished with it meanwhile. */
export async function claimKey(claiming: Claiming, key: Digest): Promise<boolean> {
  const { store, run, stopping, onWaiting, clock = ownClock } = claiming;
  const self = await identifyProcess(process.pid);
  const own: Claim = { engine: self, host: thisHost, run, jobFolder: '' };
  const isOver = silenceOf(self, clock);
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
      await clock.wait(pollMs);
    }
  }
}

/** What a dead engine left: its job is ended, what the job had reached is kept. Harmless if several do it at once. */
async function inherit({ store, executor, orphanGraceMs }: Claiming, key: Digest, claim: Claim): Promise<void> {
  if (claim.jobFolder === '') return;
  if (claim.job !== undefined && claim.host === thisHost) {
    await executor.endOrphan(claim.job, orphanGraceMs, claim.jobFolder);
  }
  await keepStateOfJob(store.layout, key, claim.jobFolder);
}

type Identity = Claim['engine'];

/** Tells whether a claim's owner is gone: here by its process, elsewhere by a claim that has stood still for too long. */
function silenceOf(self: Identity, clock: Clock): (claim: FoundClaim) => Promise<boolean> {
  let seen: { readonly beat: string; readonly at: number } | undefined;
  return async ({ engine, host, beat }) => {
    if (host === thisHost) {
      const own = engine.pid === self.pid && engine.startTime === self.startTime;
      return own || !(await isProcessAlive(engine));
    }
    if (seen?.beat !== beat) seen = { beat, at: clock.now() };
    return clock.now() - seen.at > SILENT_MS;
  };
}
