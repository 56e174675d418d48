// Runs a workflow: typed events as an async iterable, the end as a promise, interruption by call or by AbortSignal.
// Prints nothing, ends no process, listens to no signal of the process.
import { journaledOptions } from '../compose/journaled-options.ts';
import type { RunEvent } from '../events/run-events.ts';
import type { RunId } from '../events/ids.ts';
import { startRun, type RunHandle, type RunOutcome } from '../execute/run-plan.ts';
import { localExecutor } from '../executors/local.ts';
import { RunFold, type RunReport } from '../report/run-report.ts';
import { nextRunId, runFolder } from '../store/runs.ts';
import { openStore } from '../store/store.ts';
import { EventLog } from './event-log.ts';
import { installation } from './installed.ts';
import { selectionOf, type StageSelection, type Workflow } from './workflow.ts';

export interface RunOptions extends StageSelection {
  /** Jobs at once; by default as many as there are cores for. */
  readonly jobs?: number;
  /** Sizes of resource tokens, such as `{ gpu: 1 }`. */
  readonly resources?: { readonly [token: string]: number };
  /** After a failure, run everything that does not depend on it. */
  readonly keepGoing?: boolean;
  /** Aborting it is like calling `interrupt` once. */
  readonly signal?: AbortSignal;
}

export interface RunEnd extends RunOutcome {
  readonly report: RunReport;
}

/** Every loop over it sees every event from the first on, at its own pace, and ends with the run. */
export interface Running extends AsyncIterable<RunEvent> {
  readonly run: RunId;
  /** Fulfilled also when stages failed: `outcome` and `report` say so. Rejected when the engine itself could not go on. */
  readonly finished: Promise<RunEnd>;
  /** First: running jobs write a resume state and the run ends. Again: they are killed. */
  interrupt(): void;
}

export function run(workflow: Workflow, options: RunOptions = {}): Running {
  const selection = selectionOf(workflow, options);
  const store = openStore(workflow.root);
  const id = nextRunId(store.layout, new Date());
  const folder = runFolder(store.layout, id);
  const log = new EventLog();
  log.openedIn(folder);
  let handle: RunHandle | undefined;
  let fold: RunFold | undefined;
  let interrupts = 0;
  const interrupt = (): void => {
    interrupts++;
    handle?.interrupt('interrupt');
  };

  const start = async (): Promise<RunEnd> => {
    const { embedded, version } = await installation();
    const { jobs, resources, keepGoing, until, force } = options;
    const choice = { ...(until === undefined ? {} : { until }), ...(force === undefined ? {} : { force }) };
    handle = await startRun({
      ...selection,
      run: id,
      store,
      embedded,
      executor: localExecutor,
      headgate: version,
      options: await journaledOptions(workflow.file, { ...workflow.options, ...choice }),
      deliver: true,
      listeners: [
        (event) => {
          log.push(event);
          if (fold !== undefined) fold.add(event);
          else if (event.type === 'run-started') fold = new RunFold(event);
        },
      ],
      ...(jobs === undefined ? {} : { jobs }),
      ...(resources === undefined ? {} : { resources }),
      ...(keepGoing === undefined ? {} : { keepGoing }),
    });
    for (let earlier = 0; earlier < interrupts; earlier++) handle.interrupt('interrupt');
    const outcome = await handle.finished;
    if (fold === undefined) throw new Error('the run has no beginning');
    return { ...outcome, report: fold.report() };
  };

  const { signal } = options;
  if (signal?.aborted === true) interrupt();
  else signal?.addEventListener('abort', interrupt, { once: true });
  const finished = start().finally(() => signal?.removeEventListener('abort', interrupt));
  // Also marks the rejection as seen: whoever only loops over the events learns of it there.
  finished.then(
    () => log.end(),
    (error: unknown) => log.end({ error }),
  );
  return { run: id, finished, interrupt, [Symbol.asyncIterator]: () => log[Symbol.asyncIterator]() };
}
