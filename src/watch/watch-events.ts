// What happened while watching, beside the events of the runs: past tense, plain JSON, paths relative to the project.
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { RunId, StageId } from '../events/ids.ts';

/** Something wrong with the workflow, or with what was asked of it. */
export type WatchProblem = Diagnostic | { readonly message: string; readonly help?: string };

export type WatchEventBody =
  | { readonly type: 'watch-started'; readonly workflow: string }
  /** A plan is in force from now on and `run` runs it; `kept` and `stopped` were at work in runs before it. */
  | {
      readonly type: 'plan-changed';
      readonly files: readonly string[];
      readonly run: RunId;
      readonly kept: readonly StageId[];
      readonly stopped: readonly StageId[];
      /** What in the plan is hardly meant; absent where nothing is. */
      readonly warnings?: readonly Diagnostic[];
    }
  | { readonly type: 'plan-unchanged'; readonly files: readonly string[] }
  | {
      readonly type: 'plan-refused';
      readonly files: readonly string[];
      readonly problems: readonly WatchProblem[];
      /** Stages that go on as planned before. */
      readonly running: boolean;
    }
  /** The stages that read it change it themselves: it no longer makes them start again. */
  | { readonly type: 'file-set-aside'; readonly file: string }
  | { readonly type: 'watch-hindered'; readonly problem: string; readonly code: string }
  | { readonly type: 'watch-waiting'; readonly files: number }
  | { readonly type: 'watch-ended'; readonly signal: string };

export type WatchEvent = WatchEventBody & {
  /** ISO 8601, UTC. */
  readonly time: string;
};
