// Why a stage failed, as a closed union: a new reason does not compile until every renderer has words for it.
import type { JsonObject } from '../support/json.ts';
import type { JobFailure } from './job-protocol.ts';

export type StageFailure =
  | { readonly reason: 'job-failed'; readonly failure: JobFailure }
  | {
      readonly reason: 'command-exited';
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly stderrTail: string;
    }
  /** `code`: what the system said, such as ENOENT or E2BIG. */
  | { readonly reason: 'command-not-found'; readonly command: string; readonly code?: string }
  | {
      readonly reason: 'result-missing';
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly stderrTail: string;
    }
  | { readonly reason: 'result-malformed'; readonly problem: string }
  | { readonly reason: 'output-missing'; readonly port: string; readonly path: string }
  | { readonly reason: 'output-escapes'; readonly port: string; readonly path: string; readonly problem?: string }
  /** There is something that cannot be kept and given back: a pipe, a socket, a name that is not UTF-8. */
  | { readonly reason: 'output-unusable'; readonly port: string; readonly path: string; readonly problem: string }
  | { readonly reason: 'timed-out'; readonly timeoutMs: number }
  | { readonly reason: 'metric-missing'; readonly metric: string; readonly available: readonly string[] }
  | { readonly reason: 'metric-not-finite'; readonly metric: string; readonly value: string }
  | { readonly reason: 'metrics-malformed'; readonly port: string; readonly problem: string }
  | { readonly reason: 'reference-not-positive'; readonly metric: string; readonly value: number }
  | { readonly reason: 'unit-mismatch'; readonly metric: string; readonly unit: string; readonly referenceUnit: string }
  /** A gate's criterion asks for confidence, and these metrics have no bootstrap replicates of what it looks at. */
  | { readonly reason: 'replicates-missing'; readonly metric: string; readonly whose: 'metrics' | 'reference' }
  /** Replicates of the metrics and of the reference that were not drawn alike cannot be compared one by one. */
  | {
      readonly reason: 'replicates-unpaired';
      readonly metric: string;
      readonly field: string;
      readonly value: string;
      readonly referenceValue: string;
    }
  | { readonly reason: 'replicates-too-few'; readonly count: number; readonly confidence: number }
  /** In so many replicates the margin is not a number: the sample holds no object, or the reference is not positive. */
  | {
      readonly reason: 'replicates-undefined';
      readonly metric: string;
      readonly undefinedCount: number;
      readonly count: number;
    }
  | { readonly reason: 'expression-failed'; readonly expression: string; readonly problem: string }
  /** Something is not as the gate expects, and it has no case for that; the verdict holds what. */
  | { readonly reason: 'gate-implausible'; readonly verdict: JsonObject }
  /** A case was chosen that its gate declares a failure; the verdict holds the numbers. */
  | { readonly reason: 'gate-failed'; readonly case: string; readonly verdict: JsonObject }
  | { readonly reason: 'file-missing'; readonly name: string; readonly path: string }
  /** It is there, but it cannot be read to an end: a pipe, a device, a folder that leads back into itself. */
  | { readonly reason: 'file-unusable'; readonly name: string; readonly path: string; readonly problem: string }
  | { readonly reason: 'file-changed'; readonly name: string; readonly path: string }
  /** A file of the store changed while the job had it, by this job or another: what it made is dropped, and it runs again. */
  | { readonly reason: 'input-changed'; readonly port: string; readonly from: string; readonly digest: string }
  /** The program changed bytes that other stages made. */
  | { readonly reason: 'input-modified'; readonly port: string; readonly from: string; readonly digest: string }
  | { readonly reason: 'variable-missing'; readonly names: readonly string[] }
  | { readonly reason: 'secret-too-short'; readonly name: string; readonly shortest: number }
  | { readonly reason: 'secret-in-output'; readonly port: string; readonly path: string; readonly secret: string }
  | { readonly reason: 'object-damaged'; readonly port: string; readonly digest: string; readonly times: number }
  | { readonly reason: 'settings-invalid'; readonly problem: string }
  /** Whether, and for which case, a person overrode the gate can no longer be read. */
  | { readonly reason: 'override-damaged'; readonly path: string }
  /** The system refused something that the engine did for this stage: its code (ENOSPC), its words, and what helps. */
  | { readonly reason: 'machine-problem'; readonly code: string; readonly problem: string; readonly help: string }
  /** Something was thrown that nobody expected while the engine worked on this stage. */
  | { readonly reason: 'internal'; readonly problem: string; readonly stack: string };
