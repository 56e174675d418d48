// headgate runs: what was run here, newest first.
import { coloursFor } from '../../console/colours.ts';
import { runsText, type ListedRun } from '../../console/runs-text.ts';
import { foldRun } from '../../report/run-report.ts';
import { readJournal } from '../../store/journal.ts';
import { ownerOfRun } from '../../store/run-lock.ts';
import { listRuns, runFolder } from '../../store/runs.ts';
import { openStore } from '../../store/store.ts';
import { printJson, type ExitCode, type Terminal } from '../terminal.ts';

const SHOWN = 20;
const COLUMNS = 80;

export async function runs(
  terminal: Terminal,
  options: { readonly root?: string; readonly json?: boolean; readonly all?: boolean },
): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const ids = await listRuns(layout);
  const listed: ListedRun[] = [];
  for (const run of options.all === true ? ids : ids.slice(0, SHOWN)) {
    const folder = runFolder(layout, run);
    const report = foldRun((await readJournal(folder)).events);
    if (report !== undefined) listed.push({ report, running: (await ownerOfRun(folder)) !== undefined });
  }
  if (options.json === true) printJson(terminal, listed.map(summaryOf));
  else if (listed.length === 0) terminal.stdout.write('no run yet; headgate run FILE makes one\n');
  else {
    const { stdout, env } = terminal;
    stdout.write(runsText(listed, stdout.columns ?? COLUMNS, coloursFor(stdout, env)));
    const more = ids.length - listed.length;
    if (more > 0) stdout.write(`and ${more} older: --all shows them\n`);
  }
  return 0;
}

function summaryOf({ report, running }: ListedRun): object {
  const { run, name, workflow, startedAt, params, options, finished, stages, short } = report;
  const counts: { [state: string]: number } = {};
  for (const { state } of stages) counts[state] = (counts[state] ?? 0) + 1;
  return { run, name, workflow, startedAt, params, set: options['set'] ?? [], running, ...finished, short, counts };
}
