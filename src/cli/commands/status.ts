// headgate status [RUN]: what a run did, or is doing.
import { coloursFor } from '../../console/colours.ts';
import { outcomeWords } from '../../console/outcome-words.ts';
import { runSummary } from '../../console/run-summary.ts';
import { stageTable } from '../../console/stage-table.ts';
import { NOTHING_DELIVERED } from '../../execute/deliver-outputs.ts';
import { ownerOfRun } from '../../store/run-lock.ts';
import { openStore } from '../../store/store.ts';
import { findRun } from '../../compose/past-runs.ts';
import { reportOf, warningsOf } from '../../compose/told-run.ts';
import { engineWords } from '../../compose/take-unfinished.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export async function status(
  terminal: Terminal,
  run: string | undefined,
  options: { readonly root?: string; readonly json?: boolean },
): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const found = await findRun(layout, run);
  if (!found.ok) return refuse(terminal, found.error.message, found.error.help);
  const report = reportOf(found.value);
  if (report === undefined) return refuse(terminal, `run ${found.value.run} has no readable journal`);
  const owner = await ownerOfRun(found.value.folder);
  for (const warning of warningsOf(found.value)) terminal.stderr.write(`headgate: ${warning}\n`);
  if (options.json === true) {
    printJson(terminal, { ...report, running: owner !== undefined });
    return 0;
  }
  const colours = coloursFor(terminal.stdout, terminal.env);
  const state =
    owner !== undefined
      ? `${owner.standing === 'alive' ? 'running' : 'perhaps running'} (${engineWords(owner)})`
      : report.supersededBy !== undefined
        ? `superseded by run ${report.supersededBy}`
        : (outcomeWords(report) ?? 'ended without a last word; headgate resume goes on');
  terminal.stdout.write(`${colours.bold(report.name)} run ${report.run}, started ${report.startedAt}: ${state}\n\n`);
  terminal.stdout.write(`${stageTable(report, colours)}\n\n${runSummary(report, NOTHING_DELIVERED, colours)}`);
  return 0;
}
