// What a forecast says of a gate beside how it ends: the key a person may decide on, overrides, conditions in CEL.
import type { GateOverride } from '../events/gate-override.ts';
import type { PlannedStage } from '../plan/plan.ts';
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
}

export function decisionForecast({ measuredKey, override, lapsed }: DecisionKey): GateForecast {
  return {
    key: measuredKey,
    ...(override === undefined ? {} : { override }),
    ...(lapsed === undefined ? {} : { lapsed }),
  };
}

export function withExpressions(
  { settings }: PlannedStage,
  decision: GateForecast | undefined,
): { readonly decision?: GateForecast } {
  const expressions: { [name: string]: string } = {};
  for (const written of Array.isArray(settings['cases']) ? (settings['cases'] as readonly Json[]) : []) {
    if (!isJsonObject(written)) continue;
    const { name, expression } = written;
    if (typeof name === 'string' && typeof expression === 'string') expressions[name] = expression;
  }
  const said = Object.keys(expressions).length === 0 ? {} : { expressions };
  return decision === undefined && said.expressions === undefined ? {} : { decision: { ...decision, ...said } };
}
