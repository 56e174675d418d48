// What happened, in the past tense, as plain JSON: the only way out of `execute/`. The journal stores exactly these, one a line.
import type { JsonObject } from '../support/json.ts';
import type { GateOverride } from './gate-override.ts';
import type { RunId, StageId } from './ids.ts';
import type { JobEvent, ProofSummary } from './job-protocol.ts';
import type { StageFailure } from './failures.ts';

export type StageState =
  | 'pending'
  | 'running'
  | 'succeeded'
  | 'cached'
  | 'failed'
  | 'timed-out'
  | 'cancelled'
  | 'not-taken' // a gate chose otherwise: never a failure
  | 'blocked'; // something it needs failed

/** One changed part of a key's pre-image: a JSON pointer or file, old → new. */
export interface Change {
  readonly pointer: string;
  readonly before: string | null;
  readonly after: string | null;
}

export type RunCause =
  | { readonly because: 'never-run' }
  | { readonly because: 'changed'; readonly changes: readonly Change[] }
  | { readonly because: 'output-lost'; readonly port: string; readonly digest: string }
  | { readonly because: 'forced' };

export interface OutputRecord {
  readonly digest: string;
  readonly type: string;
  readonly bytes: number;
  /** Whether the digest names a folder (a manifest of files). */
  readonly tree?: true;
  /** What the job called the file: under this name those that read it, and people, find it. */
  readonly name?: string;
  /** Whether this file may be run as a program; for files in a folder its list tells. */
  readonly executable?: true;
}

/** What a run's final tables need of a metrics artifact, so that nobody reads the store for them. */
export interface MetricsFact {
  readonly port: string;
  readonly task: string;
  readonly primary: string;
  readonly values: { readonly [name: string]: number };
  readonly units: { readonly [name: string]: string };
  readonly higherIsBetter: { readonly [name: string]: boolean };
}

/** Evidence beside a stage's outputs: kept in its action record, so that a cached stage shows it too. */
export interface StageFacts {
  readonly metrics: readonly MetricsFact[];
  readonly proofs: readonly ProofSummary[];
}

/** A stage as the journal needs it to be understood without the workflow file. */
export interface StageOutline {
  readonly id: StageId;
  readonly name: string;
  readonly kind: string;
  readonly task?: string;
  /** `settings.role` of a validate stage: which column of the final table its metrics fill. */
  readonly role?: string;
  /** The name of the profile that the stage applies. */
  readonly profile?: string;
}

export type RunEventBody =
  | {
      readonly type: 'run-started';
      readonly workflow: string;
      readonly name: string;
      readonly params: JsonObject;
      readonly options: JsonObject;
      readonly pid: number;
      readonly headgate: string;
      readonly stages?: readonly StageOutline[];
    }
  | {
      readonly type: 'run-resumed';
      readonly pid: number;
      readonly headgate: string;
      readonly stages: readonly StageOutline[];
    }
  | {
      readonly type: 'stage-started';
      readonly stage: StageId;
      readonly key: string;
      readonly attempt: number;
      readonly cause: RunCause;
      readonly resumed: boolean;
    }
  | { readonly type: 'job-reported'; readonly stage: StageId; readonly event: JobEvent }
  | {
      readonly type: 'stage-succeeded';
      readonly stage: StageId;
      readonly key: string;
      readonly outputs: { readonly [port: string]: OutputRecord };
      readonly summary: JsonObject;
      readonly milliseconds: number;
      readonly facts?: StageFacts;
    }
  | {
      readonly type: 'stage-restored';
      readonly stage: StageId;
      readonly key: string;
      readonly outputs: { readonly [port: string]: OutputRecord };
      readonly summary: JsonObject;
      readonly madeBy: string;
      readonly facts?: StageFacts;
    }
  | {
      readonly type: 'gate-decided';
      readonly stage: StageId;
      readonly chosen: string;
      readonly verdict: JsonObject;
      readonly cached: boolean;
      /** The gate's task or key, where the chosen case declares that what goes on from it is below what was asked. */
      readonly short?: string;
    }
  /** A gate's numbers or cases are no longer those that a person decided on: the measured case counts again. */
  | { readonly type: 'override-lapsed'; readonly stage: StageId; readonly override: GateOverride }
  | {
      readonly type: 'stage-failed';
      readonly stage: StageId;
      readonly failure: StageFailure;
      /** How often it was tried, if more than once. */
      readonly attempts?: number;
      /** What went wrong the first time, where that was something else. */
      readonly firstFailure?: StageFailure;
    }
  /** Another engine on this store works on the same key; its outputs are taken when it has ended. */
  | {
      readonly type: 'stage-waiting';
      readonly stage: StageId;
      readonly key: string;
      readonly owner: { readonly run: string; readonly host: string; readonly pid: number };
    }
  | {
      readonly type: 'stage-retried';
      readonly stage: StageId;
      readonly failure: StageFailure;
      /** The number of the try to come, in this run. */
      readonly attempt: number;
      /** How long it waits before. */
      readonly delayMs?: number;
    }
  | { readonly type: 'stage-reopened'; readonly stage: StageId; readonly port: string; readonly digest: string }
  | { readonly type: 'stage-cancelled'; readonly stage: StageId; readonly checkpointed: boolean }
  | { readonly type: 'stage-not-taken'; readonly stage: StageId; readonly gate: StageId; readonly chosen: string }
  | { readonly type: 'stage-blocked'; readonly stage: StageId; readonly by: StageId }
  | { readonly type: 'object-quarantined'; readonly digest: string; readonly found: string; readonly movedTo: string }
  /** What a crash tore off the end; with `lostEvents`, what damage took, and where the journal is kept as it was found. */
  | {
      readonly type: 'journal-repaired';
      readonly droppedBytes: number;
      readonly lostEvents?: number;
      readonly keptAt?: string;
    }
  | {
      readonly type: 'run-stopped';
      readonly stage: StageId;
      readonly reason: string;
      readonly gates?: readonly StageId[];
    }
  | { readonly type: 'run-interrupted'; readonly signal: string }
  /** Another run of the same workflow has taken over; this one only brings to an end what both need. */
  | { readonly type: 'run-superseded'; readonly by: RunId }
  | {
      readonly type: 'run-finished';
      readonly outcome: 'succeeded' | 'failed' | 'stopped' | 'interrupted' | 'superseded';
      readonly exitCode: number;
      readonly milliseconds: number;
      readonly counts: { readonly [state: string]: number };
      /** What the run's gates found to be below what was asked, by task or key; left out where nothing is. */
      readonly short?: readonly string[];
    };

export type RunEvent = RunEventBody & {
  readonly run: RunId;
  /** 0, 1, 2 … within the run. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly time: string;
};
