// What the engine needs from outside to run a job; implemented in `executors/`, chosen in `cli/`.
import type { ProcessIdentity } from '../process/process-identity.ts';
import type { ProcessEnd } from '../process/start-process.ts';
import type { Digest } from '../support/digest.ts';
import type { Redactor } from '../support/redaction.ts';

export interface JobLaunch {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: { readonly [name: string]: string | undefined };
  readonly jobFolder: string;
  /** Protocol jobs hold a pipe of the engine, other programs read nothing. */
  readonly stdin: 'held' | 'empty';
  /** What the job prints is bounded and kept without these secrets; else it is kept as it is. */
  readonly redactor?: Redactor;
  readonly timeoutMs?: number;
  readonly graceMs: number;
}

export interface RunningJob {
  readonly identity: ProcessIdentity | undefined;
  readonly ended: Promise<ProcessEnd>;
  /** Processes that still held its pipes when these were closed, such as `12345 (sleep 9)`; complete once it has ended. */
  readonly strangers?: readonly string[];
  /** Asks for a resume state and an end. */
  cancel(): void;
  kill(): void;
}

export interface Executor {
  start(launch: JobLaunch): Promise<RunningJob>;
  /** What a finished job printed last on its standard error. */
  stderrTail(jobFolder: string): Promise<string>;
  /** Makes sure that a job which a dead engine left behind has ended. */
  endOrphan(job: ProcessIdentity, graceMs: number, jobFolder: string): Promise<void>;
}

/** The program that runs embedded jobs: `argv` without the job folder, and what identifies its code in keys. */
export interface EmbeddedBackend {
  readonly argv: readonly [string, ...string[]];
  readonly code: { readonly worker: Digest | string; readonly onnxruntime: string };
}
