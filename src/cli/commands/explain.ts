// headgate explain STAGE: what happened to a stage in the newest run of its workflow, and what a run would do with it now.
import { relative } from 'node:path';
import { coloursFor } from '../../console/colours.ts';
import { explainText } from '../../console/explain-text.ts';
import { forecastRun } from '../../execute/forecast.ts';
import { stagesNamed } from '../../execute/subplan.ts';
import { loadWithOrigins } from '../../plan/load-workflow.ts';
import { LatestKeys } from '../../store/actions.ts';
import { openStore } from '../../store/store.ts';
import { explainStage } from '../../compose/explain-stage.ts';
import { reportOf } from '../../compose/told-run.ts';
import { unknownStage } from '../../compose/select-stages.ts';
import { newestCall } from '../newest-call.ts';
import { rootOf } from '../root.ts';
import { prepare, type SelectionOptions } from '../prepare.ts';
import { printJson, refuse, type ExitCode, type Terminal } from '../terminal.ts';

export interface ExplainOptions extends SelectionOptions {
  readonly file?: string;
  readonly json?: boolean;
}

export async function explain(terminal: Terminal, stage: string, options: ExplainOptions): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const newest = await newestCall(terminal, layout, options);
  if (!newest.ok)
    return refuse(terminal, `nothing to explain: ${newest.error.message}`, 'name the workflow with --file');
  const call = newest.value;
  const file = named(call.file);
  const prepared = await prepare(terminal, file, { ...call.options, ...options });
  if (prepared === undefined) return 2;
  const { plan, store, embedded, forced } = prepared;
  const asked = stagesNamed(plan, stage);
  if (asked === undefined) {
    const { message, help } = unknownStage(plan, stage);
    return refuse(terminal, message, help);
  }
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  const forecasts = await forecastRun({ plan, store, latest, code: embedded.code, forced });
  await store.stats.save();
  const report = call.run === undefined ? undefined : reportOf(call.run);
  const { set, params } = { ...call.options, ...options };
  const loaded = await loadWithOrigins(file, {
    root: rootOf(options),
    ...(set === undefined ? {} : { set }),
    ...(params === undefined ? {} : { params }),
  });
  // It has just been loaded; should it have been edited meanwhile, only the places are missing.
  const originOf = loaded.ok ? loaded.value.originOf : () => undefined;
  const known = { plan, store, latest, forecasts, report, originOf };
  const answers = await Promise.all(asked.map(({ id }) => explainStage(known, id)));
  if (options.json === true)
    printJson(terminal, {
      run: report?.run ?? null,
      ...(report?.damage === undefined ? {} : { damage: report.damage }),
      stages: answers,
    });
  else {
    const colours = coloursFor(terminal.stdout, terminal.env);
    terminal.stdout.write(answers.map((answer) => explainText(answer, report, colours)).join('\n'));
  }
  return 0;
}

/** The journal holds absolute paths; places read better as they would be typed here. */
function named(file: string): string {
  const way = relative('.', file);
  return way.startsWith('..') ? file : way;
}
