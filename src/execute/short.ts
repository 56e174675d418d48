// What a run's end says was delivered below what was asked: the gates whose chosen case declares `short`. Told by the plan and
// the chosen case, never by a record: gates of several heads with equal numbers share one.
import type { PlannedStage } from '../plan/plan.ts';
import { isJsonObject, type Json } from '../support/json.ts';

/** The name under which a gate's short case is told: its task, else its key, else its id; undefined for any other case. */
export function shortName({ settings, task, key, id }: PlannedStage, chosen: string): string | undefined {
  const { cases } = settings;
  const isShort = (one: Json): boolean => isJsonObject(one) && one['name'] === chosen && one['short'] === true;
  if (!Array.isArray(cases) || !(cases as readonly Json[]).some(isShort)) return undefined;
  return task ?? key ?? id;
}

/** The field of a gate's event, left out where its case is not short. */
export function shortField(stage: PlannedStage, chosen: string): { readonly short?: string } {
  const short = shortName(stage, chosen);
  return short === undefined ? {} : { short };
}
