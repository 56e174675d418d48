// How a run ended, in a few words: its outcome, and what it let go on below what was asked.
import type { RunReport } from '../report/run-report.ts';

/** `succeeded`, or `succeeded, short: detection`; undefined for a run that has not ended. */
export function outcomeWords({ finished, short }: RunReport): string | undefined {
  if (finished === undefined) return undefined;
  return short.length === 0 ? finished.outcome : `${finished.outcome}, short: ${short.join(', ')}`;
}
