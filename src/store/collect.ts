// What of a store may go, by age, size and the runs that are kept; and its removal. A pure decision over a survey, and a
// thin act. What goes is a miss afterwards, never a wrong answer, so a run that goes on meanwhile comes to no harm: but what
// runs that go on have used, have claimed or used last time is kept, and whatever is new.
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Digest } from '../support/digest.ts';
import { isDigest } from '../support/digest.ts';
import { LatestKeys } from './actions.ts';
import { namesIn, pieceAt, surveyStore, treeFolder, type KnownRun, type Piece, type Survey } from './survey.ts';
import { sweepDrafts } from './abandoned-drafts.ts';
import type { Store } from './store.ts';

export interface CollectOptions {
  /** Records that no run has used for so long go. */
  readonly olderThanMs?: number;
  /** Until the objects take no more than this, the longest unused go. */
  readonly maxBytes?: number;
  /** What the newest runs of each workflow used stays; everything else goes, unless an age is given too. */
  readonly keepRuns?: number;
}

export type Leaving = Piece & {
  readonly what: 'record' | 'object' | 'tree' | 'resume-state' | 'attempt-output' | 'job-folder' | 'quarantined';
};

/** Whatever came here so short ago may belong to work whose record is not written yet, unless nobody is at work. */
export const GRACE_MS = 60 * 60 * 1000;
/** How long leftovers of runs (job folders, resume states, quarantine) stay unless told otherwise. */
export const LEFTOVERS_MS = 30 * 24 * 60 * 60 * 1000;

export async function planCollection(store: Store, options: CollectOptions, now: number): Promise<readonly Leaving[]> {
  const survey = await surveyStore(store);
  const inUse = await keysInUse(store, survey);
  const { records, objects } = decideCollection(survey, inUse, options, now);
  const going = new Set(objects);
  const pieces = (what: Leaving['what'], found: readonly (Piece | undefined)[]): readonly Leaving[] =>
    found.flatMap((piece) => (piece === undefined ? [] : [{ ...piece, what }]));
  return [
    ...pieces(
      'record',
      records.map((key) => survey.records.get(key)),
    ),
    ...pieces(
      'object',
      objects.map((digest) => survey.objects.get(digest)),
    ),
    ...pieces('tree', [...treesLeaving(store, survey, going)]),
    ...leftovers(store, survey, options, now),
  ];
}

/** Removes what was planned, records first; and drafts whose writers are gone. */
export async function collect(store: Store, leaving: readonly Leaving[]): Promise<void> {
  for (const { path } of leaving) rmSync(path, { recursive: true, force: true });
  await sweepDrafts(store.layout);
}

/** Keys of runs that go on: used in them, claimed, or what their workflows had last. */
async function keysInUse({ layout }: Store, { runs, claimed }: Survey): Promise<ReadonlySet<Digest>> {
  const keys = new Set(claimed);
  for (const { live, workflow, keys: used } of runs) {
    if (!live) continue;
    for (const key of used) keys.add(key);
    for (const key of (await LatestKeys.open(layout, workflow)).all()) keys.add(key);
  }
  return keys;
}

/** Which records and objects go. */
export function decideCollection(
  { objects, records, runs, quiet }: Pick<Survey, 'objects' | 'records' | 'runs' | 'quiet'>,
  inUse: ReadonlySet<Digest>,
  { olderThanMs, maxBytes, keepRuns }: CollectOptions,
  now: number,
): { readonly records: readonly Digest[]; readonly objects: readonly Digest[] } {
  const isNew = ({ changedMs }: Piece): boolean => now - changedMs < GRACE_MS;
  const keptByRuns = new Set(
    keepRuns === undefined ? [] : newestRuns(runs, keepRuns).flatMap((run) => usedIn(run, records)),
  );
  const lastUse = new Map([...records].map(([key, { changedMs }]) => [key, changedMs]));
  for (const run of runs) {
    const { startedMs } = run;
    for (const key of usedIn(run, records)) lastUse.set(key, Math.max(lastUse.get(key) ?? 0, startedMs));
  }
  const mayGo = [...records]
    .filter(([key, record]) => !inUse.has(key) && !keptByRuns.has(key) && !isNew(record))
    .map(([key]) => ({ key, used: lastUse.get(key) ?? 0 }))
    .sort((left, right) => left.used - right.used);
  const isAsked = olderThanMs !== undefined || keepRuns !== undefined;
  const going = new Set(
    mayGo
      .filter(({ used }) => isAsked && (olderThanMs === undefined || now - used > olderThanMs))
      .map(({ key }) => key),
  );

  const users = new Map<Digest, number>();
  for (const [key, { objects: digests }] of records) {
    if (going.has(key)) continue;
    for (const digest of new Set(digests)) users.set(digest, (users.get(digest) ?? 0) + 1);
  }
  let bytes = [...users.keys()].reduce((sum, digest) => sum + (objects.get(digest)?.bytes ?? 0), 0);
  for (const { key } of mayGo) {
    if (maxBytes === undefined || bytes <= maxBytes) break;
    if (going.has(key)) continue;
    going.add(key);
    for (const digest of new Set(records.get(key)?.objects)) {
      const left = (users.get(digest) ?? 1) - 1;
      users.set(digest, left);
      if (left === 0) bytes -= objects.get(digest)?.bytes ?? 0;
    }
  }
  // Whatever came since the first of those at work began may be theirs.
  const firstLockMs = Math.min(...runs.map(({ lockedMs }) => lockedMs ?? Infinity));
  const mayBeNeeded = (piece: Piece): boolean => !quiet && (isNew(piece) || piece.changedMs >= firstLockMs);
  const unused = [...objects].filter(([digest, piece]) => (users.get(digest) ?? 0) === 0 && !mayBeNeeded(piece));
  return { records: [...going], objects: unused.map(([digest]) => digest) };
}

/** A run whose journal has lost something may have used whatever was there when it began, and made what says so. */
function usedIn({ run, keys, damaged, startedMs }: KnownRun, records: Survey['records']): readonly Digest[] {
  if (damaged === undefined) return [...keys];
  const there = [...records].filter(([, { changedMs, record }]) => changedMs <= startedMs || record.madeBy.run === run);
  return [...keys, ...there.map(([key]) => key)];
}

function newestRuns(runs: readonly KnownRun[], count: number): readonly KnownRun[] {
  const seen = new Map<string, number>();
  return runs.filter(({ workflow }) => {
    const before = seen.get(workflow) ?? 0;
    seen.set(workflow, before + 1);
    return before < count;
  });
}

/** Folders made of objects: those of objects that go (a second name would keep the bytes), and, when nothing runs, all. */
function* treesLeaving(store: Store, { quiet }: Survey, going: ReadonlySet<Digest>): Generator<Piece | undefined> {
  for (const shard of namesIn(store.layout.trees)) {
    for (const name of namesIn(join(store.layout.trees, shard))) {
      if (isDigest(name) && (quiet || going.has(name))) {
        const piece = pieceAt(treeFolder(store, name));
        // Its files are the objects' own and take no space of their own.
        yield piece === undefined ? undefined : { ...piece, bytes: 0 };
      }
    }
  }
}

function leftovers(store: Store, survey: Survey, { olderThanMs }: CollectOptions, now: number): readonly Leaving[] {
  const { layout } = store;
  const isOld = (piece: Piece): boolean => now - piece.changedMs > (olderThanMs ?? LEFTOVERS_MS);
  const old = (what: Leaving['what'], paths: readonly string[]): readonly Leaving[] =>
    paths.flatMap((path) => {
      const piece = pieceAt(path);
      return piece !== undefined && isOld(piece) ? [{ ...piece, what }] : [];
    });
  const resume = namesIn(layout.resume).filter((key) => !isDigest(key) || !survey.claimed.has(key));
  const ended = survey.runs.filter(
    ({ live, folder }) => !live && !survey.claimedFolders.some((claimed) => claimed.startsWith(folder)),
  );
  const jobs = old(
    'job-folder',
    ended.map(({ folder }) => join(folder, 'jobs')),
  );
  // Large, and of no use to anybody: they go at once. What a job printed and was asked stays as long as other leftovers.
  const outputs = ended
    .filter(({ folder }) => !jobs.some(({ path }) => path === join(folder, 'jobs')))
    .flatMap(({ attemptOutputs }) => attemptOutputs.flatMap((path) => pieceAt(path) ?? []))
    // What was laid out to be read are the store's own bytes under a second name.
    .map((piece) => ({
      ...piece,
      ...(basename(piece.path) === 'in' ? { bytes: 0 } : {}),
      what: 'attempt-output' as const,
    }));
  return [
    ...old(
      'resume-state',
      resume.map((name) => join(layout.resume, name)),
    ),
    ...outputs,
    ...jobs,
    ...old(
      'quarantined',
      namesIn(layout.quarantine).map((name) => join(layout.quarantine, name)),
    ),
  ];
}
