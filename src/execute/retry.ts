// Whether a failed stage is tried again, and after how long: pure functions of its rules and of what went wrong.
// What does not change by waiting (a bad setting, a broken proof, an output outside its folder) is not tried again
// unless the workflow names it.
import type { StageFailure } from '../events/failures.ts';
import type { Backoff, PlannedStage } from '../plan/plan.ts';
import { digestBytes } from '../support/digest.ts';

/** `reason`, and for what a job told itself `job-failed:reason` before it. */
export function reasonsOf(failure: StageFailure): readonly string[] {
  return failure.reason === 'job-failed' ? [`job-failed:${failure.failure.reason}`, 'job-failed'] : [failure.reason];
}

/** The same again if nothing else changes: jobs are deterministic by contract. */
const LASTING: ReadonlySet<string> = new Set([
  'command-not-found',
  'file-changed',
  'file-missing',
  'input-modified',
  'metric-missing',
  'metric-not-finite',
  'metrics-malformed',
  'object-damaged',
  'output-escapes',
  'output-missing',
  'reference-not-positive',
  'secret-in-output',
  'secret-too-short',
  'settings-invalid',
  'unit-mismatch',
  'variable-missing',
  ...[
    'backbone-mismatch',
    'boundary-differs',
    'corrupt-onnx',
    'data',
    'empty-scale',
    'equalisation-differs',
    'export',
    'export-differs',
    'fault-unnoticed',
    'freeze-violated',
    'gradient',
    'load-order',
    'loss-not-finite',
    'merge-differs',
    'metric-not-finite',
    'model',
    'observer',
    'protocol',
    'self-test-failed',
    'unsupported-model',
    'weights-changed',
    'wrong-shape',
  ].map((reason) => `job-failed:${reason}`),
]);

/** @param tries how often the stage has been tried by now. */
export function isTriedAgain(
  { retries, retryRules }: Pick<PlannedStage, 'retries' | 'retryRules'>,
  failure: StageFailure,
  tries: number,
): boolean {
  if (tries > retries) return false;
  const reasons = reasonsOf(failure);
  const named = retryRules?.on;
  return named === undefined
    ? !reasons.some((reason) => LASTING.has(reason))
    : reasons.some((reason) => named.includes(reason));
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
