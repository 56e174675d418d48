// A past run as it is told, with what is wrong with its journal.
import { foldRun, type RunReport } from '../report/run-report.ts';
import type { JournalDamage } from '../store/journal.ts';
import { damageWords, untoldWords } from './damage-words.ts';
import type { PastRun } from './past-runs.ts';

/** What there is to say about a run's journal, and about newer runs that cannot be told: a line each. */
export function warningsOf({ run, journal, untold }: PastRun): readonly string[] {
  const { damage } = journal;
  return [
    ...untold.map((one) => `${untoldWords(one)}; told is run ${run}`),
    ...(damage === undefined
      ? []
      : [`the journal of run ${run} is damaged: ${damageWords(damage)}; told is only what is whole`]),
  ];
}

/** The same to whoever goes on with the run. */
export function resumedWarnings({ run, journal, untold }: PastRun): readonly string[] {
  const { damage } = journal;
  return [
    ...untold.map((one) => `${untoldWords(one)}; resumed is run ${run}`),
    ...(damage === undefined
      ? []
      : [
          `the journal of run ${run} is damaged: ${damageWords(damage)}; its options are whole, and stages whose end is lost are looked up in the store`,
        ]),
  ];
}

/** A past run with what is wrong with its journal. */
export type ToldRun = RunReport & { readonly damage?: JournalDamage };

export function reportOf({ journal }: Pick<PastRun, 'journal'>): ToldRun | undefined {
  const report = foldRun(journal.events);
  if (report === undefined || journal.damage === undefined) return report;
  return { ...report, damage: journal.damage };
}
