// The whole store looked at once: every object hashed, every record and list of files read. What is wrong goes into
// quarantine, where nothing uses it.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { isDigest } from '../support/digest.ts';
import { stampOf } from '../support/file-stamp.ts';
import { materialisedIsSound } from './materialise.ts';
import type { StoreLayout } from './layout.ts';
import { namesIn, treeFolder } from './survey.ts';
import type { Store } from './store.ts';

export type Wrong =
  | { readonly what: 'object-damaged'; readonly name: string; readonly movedTo: string }
  | { readonly what: 'not-an-object'; readonly name: string; readonly movedTo: string }
  | { readonly what: 'record-damaged'; readonly name: string; readonly movedTo: string }
  | { readonly what: 'output-lost'; readonly name: string; readonly stage: string; readonly port: string }
  | { readonly what: 'tree-altered'; readonly name: string };

export interface Verified {
  readonly objects: number;
  readonly bytes: number;
  readonly records: number;
  readonly wrong: readonly Wrong[];
}

/** With `repair`, records that lost an output and altered folders are removed: the next run makes them again. */
export async function verifyStore(store: Store, repair: boolean): Promise<Verified> {
  const { layout } = store;
  const wrong: Wrong[] = [];
  const deafen = store.onQuarantine(({ digest, movedTo }) =>
    wrong.push({ what: 'object-damaged', name: digest, movedTo }),
  );
  let [objects, bytes, records] = [0, 0, 0];
  for (const shard of namesIn(layout.objects)) {
    for (const name of namesIn(join(layout.objects, shard))) {
      const path = join(layout.objects, shard, name);
      const stamp = stampOf(path);
      objects++;
      bytes += stamp?.bytes ?? 0;
      if (!isDigest(name) || stamp === undefined || store.objects.pathOf(name) !== path) {
        wrong.push({ what: 'not-an-object', name, movedTo: putAside(layout, path) });
      } else await store.objects.verify({ digest: name, tree: false });
    }
  }
  for (const shard of namesIn(layout.actions)) {
    for (const name of namesIn(join(layout.actions, shard))) {
      records++;
      const path = join(layout.actions, shard, name);
      const key = name.replace(/\.json$/, '');
      const record = isDigest(key) && store.actions.pathOf(key) === path ? await store.actions.read(key) : undefined;
      if (record === undefined) {
        wrong.push({ what: 'record-damaged', name, movedTo: putAside(layout, path) });
        continue;
      }
      for (const [port, { digest, tree }] of Object.entries(record.outputs)) {
        const sound = isDigest(digest) && (await store.objects.check({ digest, tree: tree === true })) === 'intact';
        if (sound) continue;
        wrong.push({ what: 'output-lost', name: key, stage: record.madeBy.stage, port });
        if (repair) rmSync(path, { force: true });
      }
    }
  }
  for (const shard of namesIn(layout.trees)) {
    for (const name of namesIn(join(layout.trees, shard))) {
      if (isDigest(name) && (await materialisedIsSound(layout, store.objects, name))) continue;
      wrong.push({ what: 'tree-altered', name });
      if (repair)
        rmSync(isDigest(name) ? treeFolder(store, name) : join(layout.trees, shard, name), { recursive: true });
    }
  }
  deafen();
  await store.stats.save();
  return { objects, bytes, records, wrong };
}

function putAside({ quarantine }: StoreLayout, path: string): string {
  const movedTo = join(quarantine, `${basename(path)}-${randomBytes(4).toString('hex')}`);
  mkdirSync(quarantine, { recursive: true });
  renameSync(path, movedTo);
  return movedTo;
}
