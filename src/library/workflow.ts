// A workflow file, loaded: checked in full, nothing started. And what a run of it would do.
import { resolve } from 'node:path';
import { forecast, type ForecastOptions, type RunForecast } from '../compose/forecast.ts';
import { openPlan } from '../compose/open-plan.ts';
import { selectStages, type Selection, type StageChoice } from '../compose/select-stages.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import type { Plan } from '../plan/plan.ts';
import type { StageKind } from '../stages/stage-kind.ts';
import { openStore } from '../store/store.ts';
import { ok, type Result } from '../support/result.ts';
import { installation } from './installed.ts';

export interface LoadWorkflowOptions {
  /** Path of a JSON file of parameters. */
  readonly params?: string;
  /** Parameters as the command line's `--set` takes them: `a.b=1`. */
  readonly set?: readonly string[];
  /** What paths in the workflow are relative to, and where `.headgate/` is; by default the current folder. */
  readonly root?: string;
  /** Stage kinds beside the built-in ones and those of packages that the workflow lists; see `defineKind`. */
  readonly kinds?: readonly StageKind[];
}

export interface Workflow {
  /** Absolute path of the file. */
  readonly file: string;
  readonly root: string;
  readonly plan: Plan;
  readonly options: Pick<LoadWorkflowOptions, 'params' | 'set'>;
}

/** The workflow, or every problem with its place: `renderDiagnostics` makes text of them. */
export async function loadWorkflow(
  path: string,
  options: LoadWorkflowOptions = {},
): Promise<Result<Workflow, readonly Diagnostic[]>> {
  const root = resolve(options.root ?? '.');
  const plan = await openPlan(path, { ...options, root });
  if (!plan.ok) return plan;
  const { params, set } = options;
  const asked = { ...(params === undefined ? {} : { params: resolve(params) }), ...(set === undefined ? {} : { set }) };
  return ok({ file: resolve(path), root, plan: plan.value, options: asked });
}

/** Which stages, by id (`qat[detection]`) or by name (`qat`: every instance). */
export type StageSelection = Pick<StageChoice, 'until' | 'force'>;

/** What `run` with the same options would do, how long it would take and what it would write. Starts nothing. */
export async function plan(workflow: Workflow, options: StageSelection & ForecastOptions = {}): Promise<RunForecast> {
  const { embedded } = await installation();
  return forecast({ ...selectionOf(workflow, options), embedded, store: openStore(workflow.root) }, options);
}

/** @throws when a stage of that name does not exist: the caller's bug, not its user's. */
export function selectionOf({ plan: whole }: Workflow, choice: StageSelection): Selection {
  const selection = selectStages(whole, choice);
  if (selection.ok) return selection.value;
  const { message, help } = selection.error;
  throw new Error(help === undefined ? message : `${message} (${help})`);
}
