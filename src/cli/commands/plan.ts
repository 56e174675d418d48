// headgate plan FILE: what a run would do and why, how long it would take and what it would write. Starts nothing.
import { forecast } from '../../compose/forecast.ts';
import { coloursFor } from '../../console/colours.ts';
import { planText } from '../../console/plan-text.ts';
import { prepare, type SelectionOptions } from '../prepare.ts';
import { runSettings, type RunManner } from '../run-options.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export type PlanCommandOptions = SelectionOptions & Pick<RunManner, 'jobs' | 'resources'>;

export async function plan(terminal: Terminal, file: string, options: PlanCommandOptions): Promise<ExitCode> {
  const settings = runSettings(options);
  if (!settings.ok) return refuse(terminal, settings.error.message, settings.error.help);
  const prepared = await prepare(terminal, file, options);
  if (prepared === undefined) return 2;
  const foreseen = await forecast(prepared, settings.value);
  if (options.json === true) printJson(terminal, foreseen);
  else terminal.stdout.write(planText(foreseen, coloursFor(terminal.stdout, terminal.env)));
  return foreseen.totals.fail > 0 ? 1 : 0;
}
