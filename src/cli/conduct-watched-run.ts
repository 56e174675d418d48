// One run of a watched workflow: started for whoever watches, and told about when it has ended, unless another has taken over.
import type { Installation } from '../compose/installation.ts';
import type { Colours } from '../console/colours.ts';
import type { Sink } from '../console/plain-sink.ts';
import { countsLine, runSummary } from '../console/run-summary.ts';
import type { RunId } from '../events/ids.ts';
import type { RunEvent } from '../events/run-events.ts';
import { startRun, type RunOutcome, type RunSettings } from '../execute/run-plan.ts';
import { localExecutor } from '../executors/local.ts';
import type { Plan } from '../plan/plan.ts';
import { foldRun } from '../report/run-report.ts';
import type { Store } from '../store/store.ts';
import type { WatchedRun } from '../watch/watch-workflow.ts';
import { journaledOptions, type RunOptions } from './journaled-options.ts';
import type { Terminal } from './terminal.ts';

export interface WatchedRunSettings extends Installation {
  readonly terminal: Terminal;
  readonly file: string;
  readonly options: RunOptions;
  readonly store: Store;
  /** How to run, with the tokens that all runs of the watch share. */
  readonly manner: Pick<RunSettings, 'tokens' | 'keepGoing' | 'keepFailed' | 'defaultTimeoutMs'>;
  readonly sink: Sink;
  readonly colours: Colours;
}

export async function startWatchedRun(settings: WatchedRunSettings, plan: Plan, run: RunId): Promise<WatchedRun> {
  const { file, options, store, embedded, version, manner, sink } = settings;
  const events: RunEvent[] = [];
  const handle = await startRun({
    plan,
    run,
    store,
    embedded,
    ...manner,
    executor: localExecutor,
    headgate: version,
    options: await journaledOptions(file, options),
    deliver: true,
    listeners: [(event) => void events.push(event), sink.onEvent],
  });
  const ended = handle.finished.then((outcome) => tellEnd(settings, events, outcome));
  return { interrupt: handle.interrupt, supersede: handle.supersede, ended };
}

function tellEnd(
  { options, sink, colours }: WatchedRunSettings,
  events: readonly RunEvent[],
  { outcome, ...delivery }: RunOutcome,
): void {
  if (outcome === 'superseded') return;
  const report = foldRun(events);
  if (report === undefined) throw new Error('the journal has no beginning');
  if (options.logFormat === 'jsonl') return;
  // A plan whose every stage was done before deserves no tables.
  const quiet = outcome === 'succeeded' && report.stages.every(({ state }) => state !== 'succeeded');
  sink.say(quiet ? countsLine(report, colours) : `\n${runSummary(report, delivery, colours)}`);
}
