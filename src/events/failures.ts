// Why a stage failed, as a closed union: a new reason does not compile until every renderer has words for it.
import type { JobFailure } from './job-protocol.ts';

export type StageFailure =
  | { readonly reason: 'job-failed'; readonly failure: JobFailure }
  | {
      readonly reason: 'command-exited';
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly stderrTail: string;
    }
  | { readonly reason: 'command-not-found'; readonly command: string }
  | {
      readonly reason: 'result-missing';
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly stderrTail: string;
    }
  | { readonly reason: 'result-malformed'; readonly problem: string }
  | { readonly reason: 'output-missing'; readonly port: string; readonly path: string }
  | { readonly reason: 'output-escapes'; readonly port: string; readonly path: string }
  | { readonly reason: 'timed-out'; readonly timeoutMs: number }
  | { readonly reason: 'metric-missing'; readonly metric: string; readonly available: readonly string[] }
  | { readonly reason: 'metric-not-finite'; readonly metric: string; readonly value: string }
  | { readonly reason: 'metrics-malformed'; readonly port: string; readonly problem: string }
  | { readonly reason: 'reference-not-positive'; readonly metric: string; readonly value: number }
  | { readonly reason: 'unit-mismatch'; readonly metric: string; readonly unit: string; readonly referenceUnit: string }
  | { readonly reason: 'file-missing'; readonly name: string; readonly path: string }
  | { readonly reason: 'file-changed'; readonly name: string; readonly path: string }
  | { readonly reason: 'object-damaged'; readonly port: string; readonly digest: string; readonly times: number }
  | { readonly reason: 'settings-invalid'; readonly problem: string };
