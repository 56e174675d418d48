// Whether a failed stage is tried again, and after how long: pure functions of its rules and of what went wrong.
// What waiting cannot change (a bad setting, a broken proof, an output outside its folder) is not tried again unless the
// workflow names it; which reasons these are, the tables in events/ say.
import { reasonsOf, wordsOf } from '../events/failure-reasons.ts';
import type { StageFailure } from '../events/failures.ts';
import type { Backoff, PlannedStage } from '../plan/plan.ts';
import { digestBytes } from '../support/digest.ts';

/** @param tries how often the stage has been tried by now. */
export function isTriedAgain(
  { retries, retryRules, ownReasons }: Pick<PlannedStage, 'retries' | 'retryRules' | 'ownReasons'>,
  failure: StageFailure,
  tries: number,
): boolean {
  if (tries > retries) return false;
  const named = retryRules?.on;
  return named === undefined
    ? wordsOf(failure, ownReasons).mayPass
    : reasonsOf(failure).some((reason) => named.includes(reason));
}

/**
 * Milliseconds before the next try: `first × factor^(tries − 1)`, at most `most`. With jitter somewhere in its upper half,
 * by a hash of `salt`, so that stages (and engines) which failed together do not come back together.
 */
export function delayBefore(backoff: Backoff | undefined, tries: number, salt: string): number {
  if (backoff === undefined) return 0;
  const { firstMs, factor, mostMs, jitter } = backoff;
  const delay = Math.min(mostMs, firstMs * factor ** (tries - 1));
  const share = jitter ? Number.parseInt(digestBytes(`${salt} ${tries}`).slice(0, 8), 16) / 0xffffffff : 1;
  return Math.round(delay * (0.5 + 0.5 * share));
}
