// Collects from the store what `decide` needs. Reads only.
import type { PlannedStage } from '../plan/plan.ts';
import type { LatestKeys, RestorableRecord } from '../store/actions.ts';
import type { Store } from '../store/store.ts';
import { isDigest } from '../support/digest.ts';
import type { Evidence } from './decide.ts';
import type { StageKey } from './key.ts';

export async function gatherEvidence(
  store: Store,
  latest: LatestKeys,
  stage: PlannedStage,
  key: StageKey,
  forced: boolean,
): Promise<Evidence> {
  const record = store.actions.recall(key.key);
  const lost = record === undefined ? undefined : await firstLost(store, record);
  const previousKey = latest.of(stage.id);
  const previous =
    record !== undefined || previousKey === undefined ? undefined : await store.actions.read(previousKey);
  return { key, record, lost, previous, forced };
}

async function firstLost(store: Store, record: RestorableRecord): Promise<Evidence['lost']> {
  for (const [port, { digest, tree }] of Object.entries(record.outputs)) {
    const intact = isDigest(digest) && (await store.objects.check({ digest, tree: tree === true })) === 'intact';
    if (!intact) return { port, digest };
  }
  return undefined;
}
