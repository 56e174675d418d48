// The whole store looked at once: every object hashed, every record and list of files read. What is wrong goes into
// quarantine, where nothing uses it. What killed engines leave is told beside it: that is no damage. Others may be at work
// meanwhile, here or elsewhere: what they are writing is passed over, and what they remove is not missed.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { isDigest } from '../support/digest.ts';
import { stampOf } from '../support/file-stamp.ts';
import { isMissing } from '../support/missing-files.ts';
import { isDraft } from './abandoned-drafts.ts';
import type { StoreLayout } from './layout.ts';
import { leavingsIn, type Left } from './leavings.ts';
import { namesIn } from './survey.ts';
import type { Store } from './store.ts';

export type Wrong =
  | { readonly what: 'object-damaged'; readonly name: string; readonly movedTo: string }
  | { readonly what: 'not-an-object'; readonly name: string; readonly movedTo: string }
  | { readonly what: 'record-damaged'; readonly name: string; readonly movedTo: string }
  | { readonly what: 'output-lost'; readonly name: string; readonly stage: string; readonly port: string };

export interface Verified {
  readonly objects: number;
  readonly bytes: number;
  readonly records: number;
  readonly wrong: readonly Wrong[];
  readonly leavings: readonly Left[];
}

/** Looks at the whole store; with `repair`, removes records that lost an output, so that the next run makes them again. */
export async function verifyStore(store: Store, repair: boolean): Promise<Verified> {
  const wrong: Wrong[] = [];
  const deafen = store.onQuarantine(({ digest, movedTo }) =>
    wrong.push({ what: 'object-damaged', name: digest, movedTo }),
  );
  const { objects, bytes } = await verifyObjects(store, wrong);
  const records = await verifyRecords(store, wrong, repair);
  deafen();
  await store.stats.save();
  return { objects, bytes, records, wrong, leavings: await leavingsIn(store) };
}

async function verifyObjects({ layout, objects: store }: Store, wrong: Wrong[]) {
  let [objects, bytes] = [0, 0];
  for (const shard of namesIn(layout.objects)) {
    for (const name of namesIn(join(layout.objects, shard)).filter((each) => !isDraft(each))) {
      const path = join(layout.objects, shard, name);
      const stamp = stampOf(path);
      if (isDigest(name) && stamp !== undefined && store.pathOf(name) === path) {
        objects++;
        bytes += stamp.bytes;
        await store.verify({ digest: name, tree: false });
        continue;
      }
      const movedTo = putAside(layout, path);
      if (movedTo !== undefined) wrong.push({ what: 'not-an-object', name, movedTo });
    }
  }
  return { objects, bytes };
}

async function verifyRecords(store: Store, wrong: Wrong[], repair: boolean): Promise<number> {
  const { layout } = store;
  let records = 0;
  for (const shard of namesIn(layout.actions)) {
    for (const name of namesIn(join(layout.actions, shard)).filter((each) => !isDraft(each))) {
      records++;
      const path = join(layout.actions, shard, name);
      const key = name.replace(/\.json$/, '');
      const record = isDigest(key) && store.actions.pathOf(key) === path ? await store.actions.read(key) : undefined;
      if (record === undefined) {
        const movedTo = putAside(layout, path);
        if (movedTo !== undefined) wrong.push({ what: 'record-damaged', name, movedTo });
        continue;
      }
      for (const [port, { digest, tree }] of Object.entries(record.outputs)) {
        const sound = isDigest(digest) && (await store.objects.check({ digest, tree: tree === true })) === 'intact';
        if (sound || !existsSync(path)) continue; // it was collected meanwhile, and its outputs with it
        wrong.push({ what: 'output-lost', name: key, stage: record.madeBy.stage, port });
        if (repair) rmSync(path, { force: true });
      }
    }
  }
  return records;
}

/** Undefined for what is gone by now. */
function putAside({ quarantine }: StoreLayout, path: string): string | undefined {
  const movedTo = join(quarantine, `${basename(path)}-${randomBytes(4).toString('hex')}`);
  mkdirSync(quarantine, { recursive: true });
  try {
    renameSync(path, movedTo);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return movedTo;
}
