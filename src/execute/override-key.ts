// Overrides and keys. A decision that a person took is keyed apart from the measured one, by who, why and when too: the
// record of one is never taken for the other, and removing the override brings the measured record back.
import type { GateOverride } from '../events/gate-override.ts';
import type { PlannedStage } from '../plan/plan.ts';
import { keyOf } from '../store/actions.ts';
import type { GateOverrides } from '../store/overrides.ts';
import type { StageKey } from './key.ts';

export interface DecisionKey extends StageKey {
  /** Of the measured decision, where an override made another key of it. */
  readonly measuredKey: StageKey['key'];
  readonly override?: GateOverride;
  /** An override of this gate that was meant for other numbers or cases. */
  readonly lapsed?: GateOverride;
  /** The file of an override of this gate that cannot be believed: what the person decided is not known. */
  readonly damaged?: string;
}

export function decisionKey({ id, kind }: PlannedStage, measured: StageKey, overrides: GateOverrides): DecisionKey {
  const damaged = kind === 'gate' ? overrides.damagedOf(id) : undefined;
  const override = kind === 'gate' ? overrides.byStage.get(id) : undefined;
  const plain = { ...measured, measuredKey: measured.key, ...(damaged === undefined ? {} : { damaged }) };
  if (override === undefined) return plain;
  if (override.key !== measured.key) return { ...plain, lapsed: override };
  const { key: _, ...said } = override;
  const preImage = { ...measured.preImage, override: said };
  return { key: keyOf(preImage), preImage, measuredKey: measured.key, override };
}
