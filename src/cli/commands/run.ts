// headgate run FILE.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { forecastRun } from '../../execute/forecast.ts';
import { LatestKeys } from '../../store/actions.ts';
import { isMissing } from '../../support/missing-files.ts';
import type { JsonObject } from '../../support/json.ts';
import { conductRun, type ConductOptions } from '../conduct-run.ts';
import { prepare, type Prepared, type SelectionOptions } from '../prepare.ts';
import { journaledManner } from '../run-options.ts';
import { refuse, type ExitCode, type Terminal } from '../terminal.ts';

export type RunOptions = SelectionOptions & ConductOptions;

export async function run(terminal: Terminal, file: string, options: RunOptions): Promise<ExitCode> {
  const prepared = await prepare(terminal, file, options);
  if (prepared === undefined) return 2;
  const missing = await uncachedOutside(prepared);
  if (missing.length > 0) {
    return refuse(
      terminal,
      `--only leaves out ${missing.join(', ')}, which would have to run`,
      'use --until to run what comes before as well',
    );
  }
  return conductRun(terminal, prepared, options, await journaledOptions(file, options));
}

/** With --only: stages outside it that are not simply cached. */
async function uncachedOutside({ plan, store, embedded, forced, only }: Prepared): Promise<readonly string[]> {
  if (only === undefined) return [];
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  const forecasts = await forecastRun({ plan, store, latest, code: embedded.code, forced });
  const engine = new Set(plan.stages.filter(({ runsOn }) => runsOn === 'engine').map(({ id }) => id));
  return forecasts
    .filter(({ stage, will }) => !only.has(stage) && !engine.has(stage) && will !== 'restore' && will !== 'not-taken')
    .map(({ stage }) => stage);
}

/** What `resume` needs to make the same plan again; the params file's text, because files are edited. */
async function journaledOptions(file: string, options: RunOptions): Promise<JsonObject> {
  const { set = [], params, until, only, force } = options;
  const text =
    params === undefined
      ? undefined
      : await readFile(params, 'utf8').catch((error: unknown) => {
          if (isMissing(error)) return undefined;
          throw error;
        });
  return {
    file: resolve(file),
    set: [...set],
    ...(params === undefined || text === undefined ? {} : { params: { path: resolve(params), text } }),
    ...(until === undefined ? {} : { until: [...until] }),
    ...(only === undefined ? {} : { only: [...only] }),
    ...(force === undefined ? {} : { force: [...force] }),
    ...journaledManner(options),
  };
}
