// Everything that is in a store, and what refers to what: for listing, verifying and collecting. Reads only (though a
// damaged list of a folder's files is put into quarantine, as whenever one is met).
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RunId } from '../events/ids.ts';
import { isDigest, type Digest } from '../support/digest.ts';
import { isMissing } from '../support/missing-files.ts';
import type { ActionRecord } from './action-record.ts';
import { readClaim } from './claims.ts';
import { readJournal } from './journal.ts';
import { sharded } from './layout.ts';
import { attemptOutputs, isAnyoneAtWork } from './leavings.ts';
import { ownerOfRun } from './run-lock.ts';
import { listRuns, runFolder } from './runs.ts';
import { timeOfRun } from './run-names.ts';
import type { Store } from './store.ts';
import { isFile } from './tree-manifest.ts';

export interface Piece {
  readonly path: string;
  readonly bytes: number;
  /** When it came here or changed, milliseconds since 1970. */
  readonly changedMs: number;
}

export interface KnownRecord extends Piece {
  readonly record: ActionRecord;
  /** Its outputs, and of folders every file. */
  readonly objects: readonly Digest[];
}

export interface KnownRun {
  readonly run: RunId;
  readonly folder: string;
  readonly workflow: string;
  readonly startedMs: number;
  /** Whether an engine runs it, or may run it elsewhere. */
  readonly live: boolean;
  /** When the engine that runs it locked it, by the store's own clock. */
  readonly lockedMs?: number;
  /** What attempts left that ended without success, or not at all. */
  readonly attemptOutputs: readonly string[];
  /** Whether its journal has lost anything: then it may have used more than `keys`, and be of another workflow. */
  readonly damaged?: true;
  /** Of the stages that ended or were restored in it. */
  readonly keys: ReadonlySet<Digest>;
}

export interface Survey {
  readonly objects: ReadonlyMap<Digest, Piece>;
  readonly records: ReadonlyMap<Digest, KnownRecord>;
  /** Newest first. */
  readonly runs: readonly KnownRun[];
  /** Keys that somebody works on, or died working on. */
  readonly claimed: ReadonlySet<Digest>;
  /** Job folders that a claim names. */
  readonly claimedFolders: readonly string[];
  /** Nobody works on this store, here or elsewhere. */
  readonly quiet: boolean;
}

export async function surveyStore(store: Store): Promise<Survey> {
  const { layout } = store;
  const claimed = new Set<Digest>();
  const claimedFolders: string[] = [];
  for (const name of namesIn(layout.claims)) {
    const key = name.replace(/\.json$/, '');
    if (!isDigest(key)) continue;
    claimed.add(key);
    const folder = readClaim(layout, key)?.jobFolder ?? '';
    if (folder !== '') claimedFolders.push(folder);
  }
  // Runs before records before objects: what a run adds meanwhile is then newer than anything that could be missed.
  const runs = await knownRuns(store);
  const records = await knownRecords(store);
  const quiet = !runs.some(({ live }) => live) && !(await isAnyoneAtWork(layout));
  return { objects: knownObjects(store), records, runs, claimed, claimedFolders, quiet };
}

function knownObjects({ layout }: Store): ReadonlyMap<Digest, Piece> {
  const objects = new Map<Digest, Piece>();
  for (const shard of namesIn(layout.objects)) {
    for (const name of namesIn(join(layout.objects, shard))) {
      const piece = pieceAt(join(layout.objects, shard, name));
      if (isDigest(name) && piece !== undefined) objects.set(name, piece);
    }
  }
  return objects;
}

async function knownRecords(store: Store): Promise<ReadonlyMap<Digest, KnownRecord>> {
  const records = new Map<Digest, KnownRecord>();
  for (const key of store.actions.keys()) {
    const record = await store.actions.read(key);
    const piece = pieceAt(store.actions.pathOf(key));
    if (record === undefined || piece === undefined) continue;
    records.set(key, { ...piece, record, objects: await objectsOf(store, record) });
  }
  return records;
}

async function objectsOf(store: Store, { outputs }: ActionRecord): Promise<readonly Digest[]> {
  const digests: Digest[] = [];
  for (const { digest, tree } of Object.values(outputs)) {
    if (!isDigest(digest)) continue;
    digests.push(digest);
    const entries = tree === true ? await store.objects.entriesOf(digest) : undefined;
    for (const entry of entries ?? []) if (isFile(entry)) digests.push(entry.digest);
  }
  return digests;
}

async function knownRuns({ layout }: Store): Promise<readonly KnownRun[]> {
  const runs: KnownRun[] = [];
  for (const run of await listRuns(layout)) {
    const folder = runFolder(layout, run);
    const live = (await ownerOfRun(folder)) !== undefined;
    const lock = live ? pieceAt(join(folder, 'lock.json')) : undefined;
    const { events, damage } = await readJournal(folder);
    const [first] = events;
    const keys = new Set<Digest>();
    for (const event of events) {
      const ended =
        event.type === 'stage-succeeded' || event.type === 'stage-restored' || event.type === 'stage-started';
      if (ended && isDigest(event.key)) keys.add(event.key);
    }
    const workflow = first?.type === 'run-started' ? first.workflow : '';
    runs.push({
      run,
      folder,
      workflow,
      startedMs: timeOfRun(run),
      live,
      keys,
      attemptOutputs: live ? [] : await attemptOutputs(folder),
      ...(lock === undefined ? {} : { lockedMs: lock.changedMs }),
      ...(damage === undefined ? {} : { damaged: true }),
    });
  }
  return runs;
}

/** The materialised folder of a tree. */
export function treeFolder({ layout }: Store, digest: Digest): string {
  return sharded(layout.trees, digest);
}

/** Undefined for what is gone. Folders count as all that is in them. */
export function pieceAt(path: string): Piece | undefined {
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (info === undefined) return undefined;
  if (!info.isDirectory()) return { path, bytes: info.size, changedMs: info.ctimeMs };
  const inner = namesIn(path).flatMap((name) => pieceAt(join(path, name)) ?? []);
  return {
    path,
    bytes: inner.reduce((sum, { bytes }) => sum + bytes, 0),
    changedMs: Math.max(info.ctimeMs, ...inner.map(({ changedMs }) => changedMs)),
  };
}

export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
