// headgate plan FILE: what a run would do, and why. Starts nothing.
import { coloursFor } from '../../console/colours.ts';
import { planText } from '../../console/plan-text.ts';
import { forecastRun } from '../../execute/forecast.ts';
import { LatestKeys } from '../../store/actions.ts';
import { prepare, type SelectionOptions } from '../prepare.ts';
import { printJson, type ExitCode, type Terminal } from '../terminal.ts';

export async function plan(
  terminal: Terminal,
  file: string,
  options: SelectionOptions & { readonly json?: boolean },
): Promise<ExitCode> {
  const prepared = await prepare(terminal, file, options);
  if (prepared === undefined) return 2;
  const { store, forced, embedded } = prepared;
  const latest = await LatestKeys.open(store.layout, prepared.plan.workflow);
  const forecasts = await forecastRun({ plan: prepared.plan, store, latest, code: embedded.code, forced });
  await store.stats.save();
  if (options.json === true) {
    printJson(terminal, { workflow: prepared.plan.workflow, params: prepared.plan.params, stages: forecasts });
  } else terminal.stdout.write(planText(forecasts, coloursFor(terminal.stdout, terminal.env)));
  return forecasts.some(({ will }) => will === 'fail') ? 1 : 0;
}
