// Keys of stages without outputs, which are there for what they do: two of one run never share a key, or the second would count
// as done. The plan numbers those that it knows to be equal; what turns out to be equal only when its inputs are there takes
// the next number, so that the same numbers are used in every run.
import { isCheck } from '../plan/equal-stages.ts';
import type { StageId } from '../events/ids.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { Digest } from '../support/digest.ts';
import type { JsonObject } from '../support/json.ts';
import type { StageInputs } from './edges.ts';
import { stageKey, type StageKey } from './key.ts';

export class DistinctKeys {
  private readonly owners = new Map<Digest, StageId>();

  keyOf(stage: PlannedStage, statics: JsonObject, inputs: StageInputs): StageKey {
    if (!isCheck(stage)) return stageKey(statics, inputs);
    for (let ordinal = stage.ordinal ?? 0; ; ordinal++) {
      const key = stageKey(ordinal === 0 ? statics : { ...statics, ordinal }, inputs);
      const owner = this.owners.get(key.key) ?? stage.id;
      if (owner !== stage.id) continue;
      this.owners.set(key.key, stage.id);
      return key;
    }
  }
}
