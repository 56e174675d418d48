// headgate diff RUN RUN: what differs between two runs.
import { compareRuns } from '../../compose/compare-runs.ts';
import { damageWords } from '../../compose/damage-words.ts';
import { findRun } from '../../compose/past-runs.ts';
import { coloursFor } from '../../console/colours.ts';
import { diffText } from '../../console/diff-text.ts';
import { foldRun, type RunReport } from '../../report/run-report.ts';
import { openStore } from '../../store/store.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export async function diff(
  terminal: Terminal,
  runs: readonly [string, string],
  options: { readonly root?: string; readonly json?: boolean },
): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const reports: RunReport[] = [];
  for (const run of runs) {
    const found = await findRun(layout, run);
    if (!found.ok) return refuse(terminal, found.error.message, found.error.help);
    const { damage } = found.value.journal;
    if (damage !== undefined)
      return refuse(
        terminal,
        `the journal of run ${found.value.run} is damaged, so what differs cannot be told: ${damageWords(damage)}`,
        `headgate status ${found.value.run} tells what is whole`,
      );
    const report = foldRun(found.value.journal.events);
    if (report === undefined) return refuse(terminal, `run ${found.value.run} has no readable journal`);
    reports.push(report);
  }
  const [before, after] = reports as [RunReport, RunReport];
  const difference = compareRuns(before, after);
  if (options.json === true) printJson(terminal, difference);
  else terminal.stdout.write(diffText(difference, coloursFor(terminal.stdout, terminal.env)));
  return 0;
}
