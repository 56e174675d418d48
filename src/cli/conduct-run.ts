// A run from the command line: the right sinks, Ctrl-C, the summary at the end. Used by run and resume.
import { coloursFor } from '../console/colours.ts';
import { jsonlSink, plainSink, silentSink, type Sink } from '../console/plain-sink.ts';
import type { RunEvent } from '../events/run-events.ts';
import { deliverOutputs, type Delivered } from '../execute/deliver-outputs.ts';
import { startRun, type RunOutcome, type RunSettings } from '../execute/run-plan.ts';
import { localExecutor } from '../executors/local.ts';
import { foldRun, type RunReport } from '../report/run-report.ts';
import type { JsonObject } from '../support/json.ts';
import type { Prepared } from './prepare.ts';
import { runSettings, type RunManner } from './run-options.ts';
import { printJson, refuse, type ExitCode, type Terminal } from './terminal.ts';

export interface ConductOptions extends RunManner {
  readonly json?: boolean;
  readonly logFormat?: 'pretty' | 'plain' | 'jsonl';
}

type Continued = Pick<RunSettings, 'continues'> & { readonly earlier?: readonly RunEvent[] };

export async function conductRun(
  terminal: Terminal,
  prepared: Prepared,
  options: ConductOptions,
  journaled: JsonObject,
  { earlier = [], ...continued }: Continued = {},
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
  const files = await deliverOutputs(store, plan, new Map(report.stages.map(({ id, outputs }) => [id, outputs])));
  await store.stats.save();
  await printEnd(terminal, options, report, files);
  return outcome.exitCode;
}

export async function sinkFor({ stdout, stderr, env }: Terminal, { json, logFormat }: ConductOptions): Promise<Sink> {
  // With --json standard output belongs to the one document.
  const stream = json === true ? stderr : stdout;
  if (logFormat === 'jsonl') return jsonlSink(stream);
  const live =
    logFormat === 'pretty' ||
    (logFormat === undefined && stream.isTTY && env['CI'] === undefined && env['TERM'] !== 'dumb');
  if (live && stream.isTTY) return (await import('../console/live-sink.ts')).liveSink(stream, coloursFor(stream, env));
  if (json === true && logFormat === undefined) return silentSink;
  return plainSink(stream, coloursFor(stream, env));
}

async function printEnd(
  terminal: Terminal,
  { json, logFormat }: ConductOptions,
  report: RunReport,
  files: readonly Delivered[],
): Promise<void> {
  if (json === true) return printJson(terminal, { ...report, files });
  if (logFormat === 'jsonl') return;
  const { runSummary } = await import('../console/run-summary.ts');
  terminal.stdout.write(`\n${runSummary(report, files, coloursFor(terminal.stdout, terminal.env))}`);
}
