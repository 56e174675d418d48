// What a job of the embedded worker may use of the world around it, and what it gives back. The worker makes one per job;
// tests make their own.
import type { JobEvent, OwnJobFailure } from '../../events/job-protocol.ts';
import type { JsonObject } from '../../support/json.ts';

export interface JobContext {
  emit(event: JobEvent): void;
  /** Exists and is empty at the start. */
  readonly outDir: string;
  readonly resumeDir: string;
  /** True once the engine asked the job to stop; jobs look at it between steps. */
  interrupted(): boolean;
}

export type JobOutcome =
  | {
      readonly status: 'succeeded';
      /** Port → path relative to `outDir`. */
      readonly outputs: { readonly [port: string]: string };
      readonly summary: JsonObject;
    }
  | { readonly status: 'interrupted' }
  | { readonly status: 'failed'; readonly failure: OwnJobFailure };
