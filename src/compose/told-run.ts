// A past run as it is told, with what is wrong with its journal.
import { foldRun, type RunReport } from '../report/run-report.ts';
import type { JournalDamage } from '../store/journal.ts';
import { damageWords, untoldWords } from './damage-words.ts';
import type { PastRun } from './past-runs.ts';

/** What there is to say about a run's journal, and about newer runs that cannot be told, to whoever is told of the run: a line each. */
export function warningsOf(past: PastRun): readonly string[] {
  return warnings(past, 'told', 'told is only what is whole');
}

/** The same lines for whoever goes on with the run. */
export function resumedWarnings(past: PastRun): readonly string[] {
  const rest = 'its options are whole, and stages whose end is lost are looked up in the store';
  return warnings(past, 'resumed', rest);
}

function warnings({ run, journal, untold }: PastRun, done: string, whole: string): readonly string[] {
  const { damage } = journal;
  return [
    ...untold.map((one) => `${untoldWords(one)}; ${done} is run ${run}`),
    ...(damage === undefined ? [] : [`the journal of run ${run} is damaged: ${damageWords(damage)}; ${whole}`]),
  ];
}

/** A past run with what is wrong with its journal. */
export type ToldRun = RunReport & { readonly damage?: JournalDamage };

export function reportOf({ journal }: Pick<PastRun, 'journal'>): ToldRun | undefined {
  const report = foldRun(journal.events);
  if (report === undefined || journal.damage === undefined) return report;
  return { ...report, damage: journal.damage };
}
