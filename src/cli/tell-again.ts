// A run from the command line that is told from what is remembered of an equal one.
import type { RunEvent } from '../events/run-events.ts';
import { repeatRun } from '../execute/repeat-run.ts';
import { localExecutor } from '../executors/local.ts';
import { foldRun } from '../report/run-report.ts';
import type { Delivery } from '../execute/deliver-outputs.ts';
import type { SettledRun } from '../store/settled-run.ts';
import type { Store } from '../store/store.ts';
import { printEnd, sinkFor, type OutputOptions } from './run-output.ts';
import type { ExitCode, Terminal } from './terminal.ts';

export async function tellAgain(
  terminal: Terminal,
  store: Store,
  settled: SettledRun,
  options: OutputOptions,
): Promise<ExitCode> {
  const events: RunEvent[] = [];
  const sink = await sinkFor(terminal, options);
  const listeners = [(event: RunEvent) => void events.push(event), sink.onEvent];
  try {
    await repeatRun({ store, executor: localExecutor, settled, listeners });
  } finally {
    sink.close();
  }
  const report = foldRun(events);
  if (report === undefined) throw new Error('the journal has no beginning');
  // As `rememberCall` was given them.
  const delivery: unknown = settled.delivery;
  await printEnd(terminal, options, report, delivery as Delivery);
  return 0;
}
