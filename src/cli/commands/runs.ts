// headgate runs: what was run here, newest first.
import { coloursFor } from '../../console/colours.ts';
import { runsText, type ListedRun } from '../../console/runs-text.ts';
import { damageWords, untoldWords } from '../../compose/damage-words.ts';
import { isTold, readRuns } from '../../compose/past-runs.ts';
import { reportOf } from '../../compose/told-run.ts';
import { ownerOfRun } from '../../store/run-lock.ts';
import { listRuns } from '../../store/runs.ts';
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
  for (const past of await readRuns(layout, options.all === true ? undefined : SHOWN)) {
    const running = (await ownerOfRun(past.folder)) !== undefined;
    const report = isTold(past) ? reportOf(past) : undefined;
    const damage = isTold(past) ? past.journal.damage : past.damage;
    const words = isTold(past) ? (damage === undefined ? undefined : damageWords(damage)) : untoldWords(past);
    listed.push({ run: past.run, running, report, damage: words });
  }
  if (options.json === true) printJson(terminal, listed.map(summaryOf));
  else if (listed.length === 0) terminal.stdout.write('no run yet; headgate run FILE makes one\n');
  else {
    const { stdout, env } = terminal;
    stdout.write(runsText(listed, stdout.columns ?? COLUMNS, coloursFor(stdout, env)));
    const more = ids.length - listed.length;
    for (const { run, damage } of listed) if (damage !== undefined) stdout.write(`${run} is damaged: ${damage}\n`);
    if (more > 0) stdout.write(`and ${more} older: --all shows them\n`);
  }
  return 0;
}

function summaryOf({ run: id, report, running, damage }: ListedRun): object {
  const told = damage === undefined ? {} : { damaged: damage };
  if (report === undefined) return { run: id, running, ...told };
  const { run, name, workflow, startedAt, params, options, finished, stages, short } = report;
  const counts: { [state: string]: number } = {};
  for (const { state } of stages) counts[state] = (counts[state] ?? 0) + 1;
  return {
    run,
    name,
    workflow,
    startedAt,
    params,
    set: options['set'] ?? [],
    running,
    ...finished,
    short,
    counts,
    ...told,
  };
}
