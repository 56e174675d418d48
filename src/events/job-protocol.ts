// The boundary between the engine and whatever runs a job. A job is a directory:
//
//   job.json       written by the engine before the start: a JobRequest
//   events.jsonl   appended by the runner: one JobEvent a line
//   out/           the runner's outputs, one file or folder per output port
//   resume/        the runner's own resume state (weights, optimiser, step, cursor, RNG), replaced by rename
//   result.json    written last by the runner (draft + rename): a JobResult
//
// The runner is a command that takes the directory as its last argument. It must
//   - refuse a protocol version other than its own with result {status:'failed', failure.reason:'protocol'};
//   - on SIGINT, SIGTERM or the end of its standard input (the engine is gone): finish the current step, write
//     resume/, write result {status:'interrupted'} and exit 0;
//   - copy the attempt token into result.json (the engine publishes nothing from another attempt).
// docs/job-protocol.md and schemas/job.schema.json say the same for other languages.
import type { Json, JsonObject } from '../support/json.ts';
import type { JobReason } from './job-reasons.ts';

export const JOB_PROTOCOL = 1;

export interface JobRequest {
  readonly protocol: typeof JOB_PROTOCOL;
  readonly kind: string;
  /** The stage's id, for messages only. */
  readonly stage: string;
  readonly token: string;
  /** The stage's resolved settings: exactly what entered its key. */
  readonly settings: JsonObject;
  /** Port → input; a collect port has one entry per key: `heads[detection]`. Paths are absolute and read-only. */
  readonly inputs: { readonly [port: string]: JobInput };
  readonly seed: number;
  readonly threads: number;
  /** Folder with a resume state of an earlier attempt at the same key, to continue from. */
  readonly resumeFrom?: string;
  /** Fault injection for tests of the proofs; never in a key, refused unless HEADGATE_FAULTS=1. */
  readonly fault?: JsonObject;
}

/** The request of a `command` stage, whose program need not know of it, holds a seed and threads only where the stage names them. */
export type WrittenRequest = Omit<JobRequest, 'seed' | 'threads'> & Partial<Pick<JobRequest, 'seed' | 'threads'>>;

export interface JobInput {
  readonly type: ArtifactType;
  /** A file, or the folder of a tree artifact. */
  readonly path: string;
  readonly digest: string;
}

export type ArtifactType =
  | 'dataset' // tree: dataset.json and NPY files
  | 'checkpoint' // one scope's tensors, safetensors
  | 'model' // ONNX graph with scopes in its metadata
  | 'merged' // ONNX model with all scopes quantised, deploy form
  | 'metrics' // JSON: {format, values: {name: number}, ...}
  | 'verdict' // JSON, written by gates
  | 'report' // JSON
  | 'profile' // JSON in the form of profile.schema.json
  | 'file'; // any bytes

export type JobEvent =
  | {
      readonly type: 'progress';
      readonly unit: 'epoch' | 'batch' | 'scene' | 'layer' | 'step';
      readonly done: number;
      readonly total: number;
      /** Steps within the current epoch, where there are epochs. */
      readonly step?: number;
      readonly steps?: number;
      readonly loss?: number;
      readonly learningRate?: number;
      /** Samples (images, scenes) per second. */
      readonly rate?: number;
      readonly secondsLeft?: number;
    }
  | { readonly type: 'metrics'; readonly at: string; readonly values: { readonly [name: string]: number } }
  | { readonly type: 'note'; readonly level: 'info' | 'warning'; readonly text: string }
  | { readonly type: 'proof'; readonly proof: ProofSummary }
  | { readonly type: 'resume-state'; readonly step: number };

/** One line of evidence that something held, for the run's final table. */
export interface ProofSummary {
  readonly name:
    | 'import'
    | 'deployed'
    | 'freeze'
    | 'boundary'
    | 'load-order'
    | 'merge'
    | 'release'
    | 'export'
    | 'states'
    | 'self-test';
  readonly held: boolean;
  /** For example "backbone: 48 tensors, 29,113 values bit-equal; probe of 32 images equal". */
  readonly text: string;
}

export type JobResult =
  | {
      readonly protocol: typeof JOB_PROTOCOL;
      readonly token: string;
      readonly status: 'succeeded';
      /** Port → path relative to `out/`. */
      readonly outputs: { readonly [port: string]: string };
      /** Small facts for people (final loss, accuracy); goes to the journal and the record, not into the artifact. */
      readonly summary: JsonObject;
    }
  | { readonly protocol: typeof JOB_PROTOCOL; readonly token: string; readonly status: 'interrupted' }
  | {
      readonly protocol: typeof JOB_PROTOCOL;
      readonly token: string;
      readonly status: 'failed';
      readonly failure: JobFailure;
    };

/** A job's failure as the engine reads it: somebody else's runner may say any word, so unknown ones are only shown. */
export interface JobFailure {
  /** One of headgate's words (job-reasons.ts), or one of a package's own, which begins with `x-`. */
  readonly reason: string;
  /** One sentence: what, where, why. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy?: string;
  readonly details?: Json;
}

/** A job's failure as headgate's own worker gives it: its reason is one of the table's. */
export interface OwnJobFailure extends JobFailure {
  readonly reason: JobReason;
}
