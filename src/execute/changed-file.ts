// Whether what a stage reads outside the store is still what its key was made of.
import type { StageFailure } from '../events/failures.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { Store } from '../store/store.ts';
import { isJsonObject } from '../support/json.ts';
import { fileDigests, type StageKey } from './key.ts';

/** A file that was edited while its reader ran: what came out belongs to neither version's key. */
export async function changedFile(store: Store, stage: PlannedStage, key: StageKey): Promise<StageFailure | undefined> {
  const now = await fileDigests(stage, store);
  if (!now.ok) return now.error;
  const before = key.preImage['files'];
  const changed = stage.files.find(({ name }) => isJsonObject(before) && before[name] !== now.value[name]);
  return changed === undefined ? undefined : { reason: 'file-changed', ...changed };
}
