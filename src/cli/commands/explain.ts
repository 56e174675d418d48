// headgate explain STAGE: what happened to a stage in the newest run of its workflow, and what a run would do with it now.
import { resolve } from 'node:path';
import { coloursFor } from '../../console/colours.ts';
import { explainText } from '../../console/explain-text.ts';
import { forecastRun, type StageForecast } from '../../execute/forecast.ts';
import { foldRun, type RunReport } from '../../report/run-report.ts';
import { LatestKeys } from '../../store/actions.ts';
import { openStore } from '../../store/store.ts';
import { findRun, type PastRun } from '../../compose/past-runs.ts';
import { unknownStage } from '../../compose/select-stages.ts';
import { prepare, type SelectionOptions } from '../prepare.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export interface ExplainOptions extends SelectionOptions {
  readonly file?: string;
  readonly json?: boolean;
}

export async function explain(terminal: Terminal, stage: string, options: ExplainOptions): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const found = await findRun(layout);
  const newest = found.ok ? found.value : undefined;
  const file = options.file ?? fileOf(newest);
  if (file === undefined) return refuse(terminal, 'no run yet to explain', 'name the workflow with --file');
  const prepared = await prepare(terminal, file, { ...asJournaled(newest, file, options), ...options });
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
  const report = newest !== undefined && fileOf(newest) === resolve(file) ? foldRun(newest.journal.events) : undefined;
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

function fileOf(run: PastRun | undefined): string | undefined {
  const file = run?.started.options['file'];
  return typeof file === 'string' ? file : undefined;
}

/** Without parameters of its own the question is about the newest run's. */
function asJournaled(newest: PastRun | undefined, file: string, { set, params }: ExplainOptions): SelectionOptions {
  if (newest === undefined || fileOf(newest) !== resolve(file) || set !== undefined || params !== undefined) return {};
  const { set: journaled, params: paramsFile } = newest.started.options;
  const path =
    typeof paramsFile === 'object' && paramsFile !== null && 'path' in paramsFile ? paramsFile['path'] : undefined;
  return {
    ...(Array.isArray(journaled) ? { set: journaled.map(String) } : {}),
    ...(typeof path === 'string' ? { params: path } : {}),
  };
}
