// The part of a plan that was asked for: --until, --only and --force by stage id (`qat[detection]`) or name (`qat`).
import { suggestion } from '../diagnostics/suggest.ts';
import type { StageId } from '../events/ids.ts';
import { planUntil, stagesNamed } from '../execute/subplan.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import { err, ok, type Result } from '../support/result.ts';
import type { Mistake } from './mistake.ts';

export interface StageChoice {
  readonly until?: readonly string[];
  readonly only?: readonly string[];
  readonly force?: readonly string[];
}

export interface Selection {
  readonly plan: Plan;
  readonly forced: ReadonlySet<StageId>;
  /** With `only`: the stages that may run; the others may only be restored. */
  readonly only?: ReadonlySet<StageId>;
}

export function selectStages(whole: Plan, { until, only, force }: StageChoice): Result<Selection, Mistake> {
  const [wanted, alone, forced] = [until, only, force].map((names) => selected(whole, names ?? []));
  const found: (readonly PlannedStage[])[] = [];
  for (const selection of [wanted, alone, forced]) {
    if (selection?.ok === false) return selection;
    found.push(selection?.value ?? []);
  }
  const [untilStages = [], onlyStages = [], forcedStages = []] = found;
  const targets = [...untilStages, ...onlyStages];
  return ok({
    plan: targets.length === 0 ? whole : planUntil(whole, targets),
    forced: new Set(forcedStages.map(({ id }) => id)),
    ...(only === undefined ? {} : { only: new Set(onlyStages.map(({ id }) => id)) }),
  });
}

function selected(plan: Plan, names: readonly string[]): Result<readonly PlannedStage[], Mistake> {
  const stages: PlannedStage[] = [];
  for (const name of names) {
    const found = stagesNamed(plan, name);
    if (found === undefined) return err(unknownStage(plan, name));
    stages.push(...found);
  }
  return ok(stages);
}

export function unknownStage(plan: Plan, name: string): Mistake {
  const known = [...new Set(plan.stages.flatMap((stage) => [stage.id, stage.name]))];
  return { message: `stage "${name}" is not in this workflow`, help: suggestion(name, known, 'stages') };
}
