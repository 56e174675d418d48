// Who is running a run. A lock only saves work: one whose engine is gone is no lock, and nobody has to remove it by hand. It
// lasts as long as its engine beats, see `owners.ts`.
import { lstatSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  engineFields,
  isOfThisPlace,
  isOwnEngine,
  ownEngine,
  parseEngine,
  type EngineIdentity,
} from '../process/engine-identity.ts';
import { isMissing, isNoFile } from '../support/missing-files.ts';
import { readSmallFile } from '../support/regular-file.ts';
import { createOnce, removeUnchanged } from './exclusive-file.ts';
import { beginHeartbeat, endHeartbeat } from './heartbeats.ts';
import { journalPath } from './journal-path.ts';
import { layoutOfHome, type StoreLayout } from './layout.ts';
import { ownersOf, type Standing } from './owners.ts';

/** Who holds a run's lock and lives, or may live: `unsure` when nobody has watched it for long enough yet. */
export interface RunOwner {
  readonly pid: number;
  /** The host, when the pid means nothing here: another machine or another container. */
  readonly elsewhere?: string;
  readonly standing: Exclude<Standing, 'gone'>;
}

interface FoundLock {
  readonly engine: EngineIdentity;
  readonly text: string;
  readonly standing: Standing;
}

/** Locks a run for this engine, which beats as long as it holds it. Of engines that try at once one wins; the others are told which. */
export async function lockRun(folder: string): Promise<RunOwner | undefined> {
  const layout = storeOf(folder);
  if (held.has(folder) && isOwn(folder)) return undefined;
  beginHeartbeat(layout); // before the lock names it
  let other: RunOwner | undefined;
  try {
    other = await takeLock(layout, folder);
    if (other === undefined) {
      held.add(folder);
      return undefined;
    }
  } catch (error) {
    endHeartbeat(layout);
    throw error;
  }
  endHeartbeat(layout);
  return other;
}

async function takeLock(layout: StoreLayout, folder: string): Promise<RunOwner | undefined> {
  mkdirSync(folder, { recursive: true });
  const text = JSON.stringify(engineFields(ownEngine()));
  while (!createOnce(layout, lockPath(folder), text)) {
    const found = await lockIn(folder);
    if (found === 'unreadable') rmSync(lockPath(folder), { recursive: true, force: true });
    else if (found?.standing === 'gone') removeUnchanged(layout, lockPath(folder), found.text);
    else if (found !== undefined) return ownerIn(found.engine, found.standing);
  }
  return undefined;
}

/** Lets go of a run that this engine has locked, if it still does. A lock that another has taken over meanwhile stays. */
export function unlockRun(folder: string): void {
  if (!held.delete(folder)) return;
  if (isOwn(folder)) rmSync(lockPath(folder), { force: true });
  endHeartbeat(storeOf(folder));
}

/** Folders of the runs that this process has locked. */
const held = new Set<string>();

/** Takes away what nobody living holds: another engine's that is gone, or no lock at all. */
export async function dropDeadLock(folder: string): Promise<void> {
  const found = await lockIn(folder);
  if (found === 'unreadable') rmSync(lockPath(folder), { recursive: true, force: true });
  else if (found?.standing === 'gone') removeUnchanged(storeOf(folder), lockPath(folder), found.text);
}

/** The engine that runs this run, if any lives or may live. */
export async function ownerOfRun(folder: string): Promise<RunOwner | undefined> {
  const found = await lockIn(folder);
  if (found === undefined || found === 'unreadable' || found.standing === 'gone') return undefined;
  return ownerIn(found.engine, found.standing);
}

function ownerIn(engine: EngineIdentity, standing: RunOwner['standing']): RunOwner {
  const { pid, place } = engine;
  return { pid, standing, ...(place === undefined || isOfThisPlace(engine) ? {} : { elsewhere: place.host }) };
}

async function lockIn(folder: string): Promise<FoundLock | 'unreadable' | undefined> {
  const text = textOf(folder);
  if (text === undefined) return undefined;
  const engine = engineIn(text);
  if (engine === undefined) return 'unreadable';
  // An engine of the earlier program has no heartbeat, but writes its journal.
  const standing = await ownersOf(storeOf(folder)).of(engine, [lockPath(folder), journalPath(folder)]);
  return { engine, text, standing };
}

function isOwn(folder: string): boolean {
  const text = textOf(folder);
  const engine = text === undefined ? undefined : engineIn(text);
  return engine !== undefined && isOwnEngine(engine);
}

function engineIn(text: string): EngineIdentity | undefined {
  try {
    return parseEngine(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Empty for something that is no file: then it is nobody's. */
function textOf(folder: string): string | undefined {
  try {
    return readSmallFile(lockPath(folder), MAX_BYTES);
  } catch (error) {
    // A link that leads nowhere stands in the way of a lock, too.
    if (isNoFile(error) || isSomething(lockPath(folder))) return '';
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isSomething(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

const MAX_BYTES = 1 << 16;

function lockPath(folder: string): string {
  return join(folder, 'lock.json');
}

/** The store that a run's folder is in. */
function storeOf(folder: string): StoreLayout {
  return layoutOfHome(dirname(dirname(folder)));
}
