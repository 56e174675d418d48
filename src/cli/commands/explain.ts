// headgate explain STAGE: what happened to a stage in the newest run of its workflow, and what a run would do with it now.
import { coloursFor } from '../../console/colours.ts';
import { explainText } from '../../console/explain-text.ts';
import { forecastRun, type StageForecast } from '../../execute/forecast.ts';
import { foldRun, type RunReport } from '../../report/run-report.ts';
import { LatestKeys } from '../../store/actions.ts';
import { openStore } from '../../store/store.ts';
import { unknownStage } from '../../compose/select-stages.ts';
import { newestCall } from '../newest-call.ts';
import { prepare, type SelectionOptions } from '../prepare.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export interface ExplainOptions extends SelectionOptions {
  readonly file?: string;
  readonly json?: boolean;
}

export async function explain(terminal: Terminal, stage: string, options: ExplainOptions): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const call = await newestCall(layout, options);
  if (call === undefined) return refuse(terminal, 'no run yet to explain', 'name the workflow with --file');
  const prepared = await prepare(terminal, call.file, { ...call.options, ...options });
  if (prepared === undefined) return 2;
  const { plan, store, embedded, forced } = prepared;
  const named = plan.stages.filter(({ id, name }) => id === stage || name === stage);
  if (named.length === 0) {
    const { message, help } = unknownStage(plan, stage);
    return refuse(terminal, message, help);
  }
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  const forecasts = await forecastRun({ plan, store, latest, code: embedded.code, forced });
  await store.stats.save();
  const report = call.run === undefined ? undefined : foldRun(call.run.journal.events);
  const answers = named.map(({ id, at }) => ({ stage: id, at, ...lookUp(id, report, forecasts) }));
  if (options.json === true) printJson(terminal, { run: report?.run ?? null, stages: answers });
  else {
    const colours = coloursFor(terminal.stdout, terminal.env);
    terminal.stdout.write(answers.map((answer) => explainText(answer, report, colours)).join('\n'));
  }
  return 0;
}

function lookUp(
  id: string,
  report: RunReport | undefined,
  forecasts: readonly StageForecast[],
): { readonly past?: RunReport['stages'][number]; readonly now?: StageForecast } {
  const past = report?.stages.find((candidate) => candidate.id === id);
  const now = forecasts.find((candidate) => candidate.stage === id);
  return { ...(past === undefined ? {} : { past }), ...(now === undefined ? {} : { now }) };
}
