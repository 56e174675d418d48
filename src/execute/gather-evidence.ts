// Collects from the store what `decide` needs. Reads only.
import type { PlannedStage } from '../plan/plan.ts';
import { restorable } from '../store/action-record.ts';
import { keyOf, type ActionRecord, type LatestKeys, type RestorableRecord } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import { isDigest } from '../support/digest.ts';
import { changesOfKey } from './changes.ts';
import type { Evidence } from './decide.ts';
import { formerPreImage, type StageKey } from './key.ts';

export async function gatherEvidence(
  store: Store,
  latest: LatestKeys,
  stage: PlannedStage,
  key: StageKey,
  forced: boolean,
): Promise<Evidence> {
  const known = store.actions.recall(key.key) ?? recallFormer(store, stage, key);
  const previousKey = latest.of(stage.id);
  const previous = known !== undefined || previousKey === undefined ? undefined : await store.actions.read(previousKey);
  const record =
    known ?? (previous !== undefined && isSameWork(stage, previous, key) ? restorable(previous) : undefined);
  const lost = record === undefined ? undefined : await firstLost(store, record);
  return { key, record, lost, previous, forced };
}

/** What an earlier program recorded under the key that it would have given this very work. */
function recallFormer(store: Store, stage: PlannedStage, { preImage }: StageKey): RestorableRecord | undefined {
  const former = formerPreImage(stage, preImage);
  return former === undefined ? undefined : store.actions.recall(keyOf(former));
}

/** Whether the two keys differ in nothing but a seed or threads that the command was never given. */
function isSameWork({ runsOn }: PlannedStage, previous: ActionRecord, { key, preImage }: StageKey): boolean {
  return runsOn === 'command' && previous.key !== key && changesOfKey(previous.preImage, preImage).length === 0;
}

async function firstLost(store: Store, record: RestorableRecord): Promise<Evidence['lost']> {
  for (const [port, { digest, tree }] of Object.entries(record.outputs)) {
    const intact = isDigest(digest) && (await store.objects.check({ digest, tree: tree === true })) === 'intact';
    if (!intact) return { port, digest };
  }
  return undefined;
}
