// How a run is shown: the sink that fits the terminal and the options, and what is printed at its end.
import { coloursFor } from '../console/colours.ts';
import { jsonlSink, plainSink, silentSink, type Sink } from '../console/plain-sink.ts';
import type { Delivery } from '../execute/deliver-outputs.ts';
import type { RunReport } from '../report/run-report.ts';
import { printJson, type Terminal } from './terminal.ts';

export interface OutputOptions {
  readonly json?: boolean;
  readonly logFormat?: 'pretty' | 'plain' | 'jsonl';
}

export async function sinkFor({ stdout, stderr, env }: Terminal, { json, logFormat }: OutputOptions): Promise<Sink> {
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

export async function printEnd(
  terminal: Terminal,
  { json, logFormat }: OutputOptions,
  report: RunReport,
  delivery: Delivery,
): Promise<void> {
  if (json === true) return printJson(terminal, { ...report, ...delivery });
  if (logFormat === 'jsonl') return;
  const { runSummary } = await import('../console/run-summary.ts');
  terminal.stdout.write(`\n${runSummary(report, delivery, coloursFor(terminal.stdout, terminal.env))}`);
}
