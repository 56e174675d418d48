// Puts a run's results where people find them: `.headgate/out/<workflow>/export.onnx`. What is to be delivered is decided in
// `deliverables.ts`; here it is put in place, what the workflow no longer delivers goes, and what was not delivered is told.
import { rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { StageId } from '../events/ids.ts';
import type { OutputRecord, StageState } from '../events/run-events.ts';
import type { Plan } from '../plan/plan.ts';
import { readDelivered, writeDelivered, type DeliveredEntry } from '../store/delivered-list.ts';
import { keepBeside, lookAt, openOutFolder, replaceInOut, type Kept } from '../store/out-folder.ts';
import type { Store } from '../store/store.ts';
import { isDigest } from '../support/digest.ts';
import { draftCopy, liesAt, noteCopy } from './artifact-copy.ts';
import { deliverablesOf, deliveredName, deliveryFolderName, type Deliverable } from './deliverables.ts';

export interface Delivered {
  readonly stage: string;
  readonly port: string;
  /** Relative to the root. */
  readonly path: string;
  readonly bytes: number;
}

export interface NotDelivered {
  readonly stage: string;
  readonly port: string;
  /** The stage's state; or that the object is gone, or that the run was cut short before it came to this one. */
  readonly why: Exclude<StageState, 'succeeded' | 'cached'> | 'damaged' | 'interrupted';
  /** What an earlier run delivered of it and what still lies there, relative to the root. */
  readonly earlier?: string;
}

export interface Delivery {
  readonly files: readonly Delivered[];
  readonly notDelivered: readonly NotDelivered[];
  /** Deliveries of an earlier run that are none any longer. Paths are relative to the root, like all paths here. */
  readonly removed: readonly string[];
  /** What was no delivery of headgate's and lay where one was to lie, or was one and has been changed since. */
  readonly kept: readonly Kept[];
}

export const NOTHING_DELIVERED: Delivery = { files: [], notDelivered: [], removed: [], kept: [] };

export interface Ended {
  /** What each stage that has ended well gave. */
  readonly outputs: ReadonlyMap<StageId, { readonly [port: string]: OutputRecord }>;
  readonly states: ReadonlyMap<StageId, StageState>;
  /** Whether the run came to its end, so that what it did not give is no result of the workflow any more. */
  readonly whole: boolean;
}

/** @param stop what is not delivered by then is left out. */
export async function deliverOutputs(store: Store, plan: Plan, ended: Ended, stop?: AbortSignal): Promise<Delivery> {
  const { layout } = store;
  const name = deliveryFolderName(plan.name);
  const before = readDelivered(layout, name);
  const wanted = deliverablesOf(plan);
  const results = wanted.flatMap((deliverable) => resultOf(ended, deliverable, plan.workflow));
  const fates = new Map(wanted.map(({ stage, port }) => [`${stage}.${port}`, fateOf(ended, stage)]));
  const inRoot = (path: string): string => relative(layout.root, path);
  if (results.length === 0 && (before ?? []).length === 0) {
    return { ...NOTHING_DELIVERED, notDelivered: missing(wanted, fates) };
  }

  const { folder, kept: inTheWay } = await openOutFolder(layout, name);
  const kept = [...inTheWay];
  const names = new Set(results.map((result) => result.name));
  const others = (before ?? []).filter((entry) => !names.has(entry.name));
  // First what is about to be headgate's: killed in between, it would not know its own afterwards.
  await writeDelivered(layout, name, [...others, ...results], before);
  const files: Delivered[] = [];
  for (const result of results) {
    const { stage, port, bytes } = result;
    const path = join(folder, result.name);
    const fate = stop?.aborted === true ? 'interrupted' : await put(store, result, path, before, kept);
    fates.set(`${stage}.${port}`, fate);
    if (fate === 'delivered') files.push({ stage, port, path: inRoot(path), bytes });
  }

  const whole = ended.whole && plan.partial !== true && stop?.aborted !== true;
  const isGone = ({ workflow, stage, port }: DeliveredEntry): boolean =>
    workflow === plan.workflow && (whole || fates.get(`${stage}.${port}`) === 'delivered');
  const removed = await removeStale(store, folder, others.filter(isGone), kept);
  const left = others.filter((entry) => !isGone(entry));
  await writeDelivered(layout, name, [...left, ...results], [...others, ...results]);
  for (const path of [layout.out, folder]) store.stats.looks.noteOwn(path);
  const earlier = [...left, ...(before ?? []).filter((entry) => names.has(entry.name))];
  return {
    files,
    notDelivered: missing(wanted, fates, earlier, (entry) => inRoot(join(folder, entry.name))),
    removed: removed.map(inRoot),
    kept: kept.map(({ path, as }) => ({ path: inRoot(path), ...(as === undefined ? {} : { as: inRoot(as) }) })),
  };
}

interface Result extends DeliveredEntry {
  readonly bytes: number;
  readonly executable: boolean;
}

type Fate = NotDelivered['why'] | 'delivered';

function fateOf({ states }: Ended, stage: StageId): Fate {
  const state = states.get(stage) ?? 'pending';
  return state === 'succeeded' || state === 'cached' ? 'damaged' : state;
}

function resultOf({ outputs }: Ended, wanted: Deliverable, workflow: string): readonly Result[] {
  const { stage, port } = wanted;
  const output = outputs.get(stage)?.[port];
  if (output === undefined || !isDigest(output.digest)) return [];
  const { digest, bytes, tree = false, executable = false } = output;
  return [{ name: deliveredName(wanted, output), digest, tree, workflow, stage, port, bytes, executable }];
}

/** A folder is the artifact and nothing else: whatever was at its name before is replaced as a whole. */
async function put(
  store: Store,
  result: Result,
  path: string,
  before: readonly DeliveredEntry[] | undefined,
  kept: Kept[],
): Promise<'delivered' | 'damaged'> {
  if (await liesAt(store, result, path)) return 'delivered';
  const draft = await draftCopy(store, result);
  if (draft === undefined) return 'damaged';
  try {
    const isOwn = before === undefined || before.some(({ name }) => name === result.name);
    if (!isOwn && (await lookAt(path)) !== undefined) kept.push(await keepBeside(path));
    await replaceInOut(store.layout, draft, path);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  await noteCopy(store, result, path);
  return 'delivered';
}

/** Removes what is still as headgate put it there; what a person has changed is theirs. */
async function removeStale(
  store: Store,
  folder: string,
  gone: readonly DeliveredEntry[],
  kept: Kept[],
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const entry of gone) {
    const path = join(folder, entry.name);
    if (await liesAt(store, entry, path)) {
      await rm(path, { recursive: true });
      removed.push(path);
    } else if ((await lookAt(path)) !== undefined) kept.push({ path });
  }
  return removed;
}

function missing(
  wanted: readonly Deliverable[],
  fates: ReadonlyMap<string, Fate>,
  earlier: readonly DeliveredEntry[] = [],
  shown: (entry: DeliveredEntry) => string = ({ name }) => name,
): readonly NotDelivered[] {
  return wanted.flatMap(({ stage, port }) => {
    const why = fates.get(`${stage}.${port}`) ?? 'pending';
    if (why === 'delivered') return [];
    const there = earlier.find((entry) => entry.stage === stage && entry.port === port);
    return [{ stage, port, why, ...(there === undefined ? {} : { earlier: shown(there) }) }];
  });
}
