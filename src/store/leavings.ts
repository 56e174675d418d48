// What engines that were killed have left in a store: half-written files, claims, locks, heartbeats, outputs of attempts that
// nobody ended, ends of journals that were torn. Ordinary, not damage: nothing uses it, and the next run or `cache gc` takes it
// away. What belongs to an engine that lives, or may live elsewhere, is none of it.
import { join } from 'node:path';
import { tokenParts } from '../process/engine-identity.ts';
import { namesIn } from '../support/missing-files.ts';
import { isAbandonedDraft, isDraft } from './abandoned-drafts.ts';
import { listClaims, readClaim, standingOf } from './claims.ts';
import { readJournal } from './journal.ts';
import type { StoreLayout } from './layout.ts';
import { ownersOf } from './owners.ts';
import { listResumeStates } from './resume-states.ts';
import { ownerOfRun } from './run-lock.ts';
import { listRuns, runFolder } from './runs.ts';
import type { Store } from './store.ts';

export interface Left {
  readonly what:
    'draft' | 'claim' | 'lock' | 'heartbeat' | 'attempt-output' | 'torn-journal' | 'resume-state' | 'delivery';
  readonly path: string;
}

export async function leavingsIn(store: Store): Promise<readonly Left[]> {
  const { layout } = store;
  return [
    ...(await draftsLeft(layout)),
    ...(await claimsLeft(layout)),
    ...(await heartbeatsLeft(layout)),
    ...(await statesLeft(store)),
    ...(await runsLeft(layout)),
    ...(await deliveriesLeft(layout)),
  ];
}

/** Engines that live, or may live elsewhere: as long as there is one, what is new may be needed. */
export async function isAnyoneAtWork(layout: StoreLayout): Promise<boolean> {
  for (const token of await enginesIn(layout)) {
    if ((await ownersOf(layout).ofToken(token, [])) !== 'gone') return true;
  }
  for (const key of await listClaims(layout)) {
    const claim = readClaim(layout, key);
    if (claim !== undefined && (await standingOf(layout, key, claim)) !== 'gone') return true;
  }
  return false;
}

/** What attempts of a run have left: outputs that no store took, and what was laid out for their jobs to read. */
export async function attemptOutputs(folder: string): Promise<readonly string[]> {
  const paths: string[] = [];
  const jobs = join(folder, 'jobs');
  for (const stage of await namesIn(jobs)) {
    for (const attempt of await namesIn(join(jobs, stage))) {
      const names = await namesIn(join(jobs, stage, attempt));
      for (const name of ['out', 'in']) if (names.includes(name)) paths.push(join(jobs, stage, attempt, name));
    }
  }
  return paths;
}

async function enginesIn({ engines }: StoreLayout): Promise<readonly string[]> {
  const tokens = (await namesIn(engines)).map((name) => name.replace(/\.json$/, ''));
  return tokens.filter((token) => tokenParts(token) !== undefined);
}

async function draftsLeft(layout: StoreLayout): Promise<readonly Left[]> {
  const { home, drafts, claims, engines, latest, overrides, actions, runs } = layout;
  const below = async (folder: string): Promise<readonly string[]> =>
    (await namesIn(folder)).map((name) => join(folder, name));
  const folders = [home, drafts, claims, engines, latest, overrides, ...(await below(actions)), ...(await below(runs))];
  const left: Left[] = [];
  for (const folder of folders) {
    for (const name of (await namesIn(folder)).filter(isDraft)) {
      const path = join(folder, name);
      if (await isAbandonedDraft(layout, path)) left.push({ what: 'draft', path });
    }
  }
  return left;
}

async function claimsLeft(layout: StoreLayout): Promise<readonly Left[]> {
  const left: Left[] = [];
  for (const key of await listClaims(layout)) {
    const claim = readClaim(layout, key);
    if (claim === undefined || (await standingOf(layout, key, claim)) !== 'gone') continue;
    left.push({ what: 'claim', path: join(layout.claims, `${key}.json`) });
  }
  return left;
}

async function heartbeatsLeft(layout: StoreLayout): Promise<readonly Left[]> {
  const left: Left[] = [];
  for (const token of await enginesIn(layout)) {
    const isGone = (await ownersOf(layout).ofToken(token, [])) === 'gone';
    if (isGone) left.push({ what: 'heartbeat', path: join(layout.engines, `${token}.json`) });
  }
  return left;
}

/** Their engine was killed between publishing and dropping them. */
async function statesLeft({ layout, actions }: Store): Promise<readonly Left[]> {
  const left: Left[] = [];
  for (const key of await listResumeStates(layout)) {
    if ((await actions.read(key)) === undefined) continue;
    left.push({ what: 'resume-state', path: join(layout.resume, key) });
  }
  return left;
}

/** What stepped aside for a delivery that was cut short: the next run brings it back. */
async function deliveriesLeft(layout: StoreLayout): Promise<readonly Left[]> {
  const names = await namesIn(layout.aside);
  if (names.length === 0 || (await isAnyoneAtWork(layout))) return []; // or it is not cut short
  return names.map((name) => ({ what: 'delivery', path: join(layout.aside, name) }));
}

async function runsLeft(layout: StoreLayout): Promise<readonly Left[]> {
  const left: Left[] = [];
  for (const run of await listRuns(layout)) {
    const folder = runFolder(layout, run);
    if ((await ownerOfRun(folder)) !== undefined) continue;
    if ((await namesIn(folder)).includes('lock.json')) left.push({ what: 'lock', path: join(folder, 'lock.json') });
    for (const path of await attemptOutputs(folder)) left.push({ what: 'attempt-output', path });
    if ((await readJournal(folder)).tornBytes > 0) left.push({ what: 'torn-journal', path: folder });
  }
  return left;
}
