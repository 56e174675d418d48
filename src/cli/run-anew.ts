// `headgate run` stage by stage: the plan, the check of --only, the run; and what is remembered of it for the next time.
import { noteProgram, rememberCall, type Call } from '../compose/settled-call.ts';
import { forecastRun } from '../execute/forecast.ts';
import { LatestKeys } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import { conductRun } from './conduct-run.ts';
import type { RunOptions } from './journaled-options.ts';
import { prepare, type Prepared } from './prepare.ts';
import { refuse, type ExitCode, type Terminal } from './terminal.ts';

export interface NewCall {
  readonly store: Store;
  readonly call: Call;
  /** Whether an equal call may be told from this one. */
  readonly mayRepeat: boolean;
}

export async function runAnew(
  terminal: Terminal,
  file: string,
  options: RunOptions,
  { store, call, mayRepeat }: NewCall,
): Promise<ExitCode> {
  noteProgram(store, terminal.installFolder);
  const prepared = await prepare(terminal, file, options, store);
  if (prepared === undefined) return 2;
  const missing = await uncachedOutside(prepared);
  if (missing.length > 0) {
    return refuse(
      terminal,
      `--only leaves out ${missing.join(', ')}, which would have to run`,
      'use --until to run what comes before as well',
    );
  }
  return conductRun(terminal, prepared, options, call.options, {
    onEnd: (events, delivery) =>
      mayRepeat ? rememberCall(call, { plan: prepared.plan, store, events, delivery }) : Promise.resolve(),
  });
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
