// Whether a stage's outputs can be restored or it has to run, and why: a pure function, printed as it is by plan and explain.
import type { RunCause } from '../events/run-events.ts';
import type { ActionRecord, RestorableRecord } from '../store/actions.ts';
import { changesOfKey } from './changes.ts';
import type { StageKey } from './key.ts';

export type Decision =
  | { readonly action: 'restore'; readonly record: RestorableRecord }
  | { readonly action: 'run'; readonly cause: RunCause };

export interface Evidence {
  readonly key: StageKey;
  /** The record of exactly this key. */
  readonly record: RestorableRecord | undefined;
  /** An output of the record that is missing or damaged. */
  readonly lost: { readonly port: string; readonly digest: string } | undefined;
  /** What the same stage had in the workflow's newest run. */
  readonly previous: ActionRecord | undefined;
  readonly forced: boolean;
}

export function decide({ key, record, lost, previous, forced }: Evidence): Decision {
  if (forced) return { action: 'run', cause: { because: 'forced' } };
  if (record !== undefined && lost === undefined) return { action: 'restore', record };
  if (lost !== undefined) return { action: 'run', cause: { because: 'output-lost', ...lost } };
  if (previous === undefined) return { action: 'run', cause: { because: 'never-run' } };
  return { action: 'run', cause: { because: 'changed', changes: changesOfKey(previous.preImage, key.preImage) } };
}
