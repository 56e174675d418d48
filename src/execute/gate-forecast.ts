// What a forecast says of a gate beside how it ends: the key a person may decide on, overrides, conditions in CEL.
import type { GateOverride } from '../events/gate-override.ts';
import type { PlannedStage, VerdictCondition } from '../plan/plan.ts';
import type { Digest } from '../support/digest.ts';
import { isJsonObject, type Json } from '../support/json.ts';
import type { DecisionKey } from './override-key.ts';

/** Of gates: what a person decides on, or decided, in place of the numbers. */
export interface GateForecast {
  /** Of the measured decision, where its inputs are known. */
  readonly key?: Digest;
  readonly override?: GateOverride;
  readonly lapsed?: GateOverride;
  /** Case → its condition in CEL. */
  readonly expressions?: { readonly [name: string]: string };
  /** Case → what it asks of other gates' verdicts. */
  readonly verdicts?: { readonly [name: string]: VerdictCondition };
}

export function decisionForecast({ measuredKey, override, lapsed }: DecisionKey): GateForecast {
  return {
    key: measuredKey,
    ...(override === undefined ? {} : { override }),
    ...(lapsed === undefined ? {} : { lapsed }),
  };
}

/** What the cases ask that no criterion says: shown before anything is measured. */
export function withConditions(
  { settings }: PlannedStage,
  decision: GateForecast | undefined,
): { readonly decision?: GateForecast } {
  const expressions: { [name: string]: string } = {};
  const verdicts: { [name: string]: VerdictCondition } = {};
  for (const written of Array.isArray(settings['cases']) ? (settings['cases'] as readonly Json[]) : []) {
    if (!isJsonObject(written)) continue;
    const { name, expression, verdicts: condition } = written;
    if (typeof name !== 'string') continue;
    if (typeof expression === 'string') expressions[name] = expression;
    // The planner has made it.
    if (condition !== undefined) verdicts[name] = condition as VerdictCondition;
  }
  const said = {
    ...(Object.keys(expressions).length === 0 ? {} : { expressions }),
    ...(Object.keys(verdicts).length === 0 ? {} : { verdicts }),
  };
  return decision === undefined && Object.keys(said).length === 0 ? {} : { decision: { ...decision, ...said } };
}
