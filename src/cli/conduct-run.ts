// A run from the command line: the right sinks, Ctrl-C, the summary at the end. Used by run and resume.
import type { RunEvent } from '../events/run-events.ts';
import type { Delivery } from '../execute/deliver-outputs.ts';
import { startRun, type RunOutcome, type RunSettings } from '../execute/run-plan.ts';
import { localExecutor } from '../executors/local.ts';
import { foldRun } from '../report/run-report.ts';
import type { JsonObject } from '../support/json.ts';
import type { Prepared } from './prepare.ts';
import { runSettings, type RunManner } from './run-options.ts';
import { printEnd, sinkFor, type OutputOptions } from './run-output.ts';
import { refuse, type ExitCode, type Terminal } from './terminal.ts';

export type ConductOptions = RunManner & OutputOptions;

interface Conduct extends Pick<RunSettings, 'continues'> {
  /** Of the run that is gone on with. */
  readonly earlier?: readonly RunEvent[];
  /** After everything was delivered and told. */
  readonly onEnd?: (events: readonly RunEvent[], delivery: Delivery) => Promise<void>;
}

export async function conductRun(
  terminal: Terminal,
  prepared: Prepared,
  options: ConductOptions,
  journaled: JsonObject,
  { earlier = [], onEnd, ...continued }: Conduct = {},
): Promise<ExitCode> {
  const { plan, store, embedded, version, forced } = prepared;
  const manner = runSettings(options);
  if (!manner.ok) return refuse(terminal, manner.error.message, manner.error.help);

  const events: RunEvent[] = [...earlier];
  const sink = await sinkFor(terminal, options);
  const handle = await startRun({
    plan,
    store,
    embedded,
    forced,
    executor: localExecutor,
    headgate: version,
    options: journaled,
    deliver: true,
    listeners: [(event) => void events.push(event), sink.onEvent],
    ...manner.value,
    ...continued,
  });
  const ignoreInterrupts = terminal.onInterrupt((signal) => handle.interrupt(signal));
  let outcome: RunOutcome;
  try {
    outcome = await handle.finished;
  } finally {
    ignoreInterrupts();
    sink.close();
  }
  const report = foldRun(events);
  if (report === undefined) throw new Error('the journal has no beginning');
  const { files, notDelivered, removed, kept } = outcome;
  const delivery = { files, notDelivered, removed, kept };
  await printEnd(terminal, options, report, delivery);
  await onEnd?.(events, delivery);
  return outcome.exitCode;
}
