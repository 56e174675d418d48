// The folders of runs: names that sort by time, and those that an engine left without a word. Who runs one: `run-lock.ts`.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runId, type RunId } from '../events/ids.ts';
import { namesIn } from '../support/missing-files.ts';
import { isAbandonedDraft, isDraft } from './abandoned-drafts.ts';
import type { StoreLayout } from './layout.ts';
import { ownerOfRun } from './run-lock.ts';
import { isRunName, timeOfRun } from './run-names.ts';

export function newRunId(now: Date): RunId {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').replace(/\..*$/, '');
  const millis = String(now.getUTCMilliseconds()).padStart(3, '0');
  return runId(`${stamp}${millis}-${randomBytes(2).toString('hex')}`);
}

/** The id of a run that starts now: behind every earlier one, even if the clock was set back meanwhile. */
export function nextRunId(layout: StoreLayout, now: Date): RunId {
  const newest = runNames(existsSync(layout.runs) ? readdirSync(layout.runs) : []).at(-1);
  return newRunId(new Date(Math.max(now.getTime(), newest === undefined ? 0 : timeOfRun(newest) + 1)));
}

/** Oldest first. */
function runNames(names: readonly string[]): readonly string[] {
  return names.filter(isRunName).sort();
}

export function runFolder(layout: StoreLayout, run: RunId): string {
  return join(layout.runs, run);
}

/** Newest first. */
export async function listRuns(layout: StoreLayout): Promise<readonly RunId[]> {
  return runNames(await namesIn(layout.runs))
    .toReversed()
    .map(runId);
}

/** Runs that an engine elsewhere may still be at: nobody has watched it for long enough to know. */
export async function unsureRuns(layout: StoreLayout): Promise<readonly RunId[]> {
  const runs = await listRuns(layout);
  const owners = await Promise.all(runs.map((run) => ownerOfRun(runFolder(layout, run))));
  return runs.filter((_, index) => owners[index]?.standing === 'unsure');
}

/** Kills in a row after which an old lock would be left lying: it stops nobody. */
const RECENT = 64;

/** Folders of recent runs with a lock, or the draft of one, that nobody living holds. */
export async function deadRuns(layout: StoreLayout): Promise<readonly string[]> {
  const folders = (await listRuns(layout)).slice(0, RECENT).map((run) => runFolder(layout, run));
  const dead = await Promise.all(
    folders.map(async (folder) => {
      const names = await namesIn(folder);
      if (names.includes('lock.json')) return (await ownerOfRun(folder)) === undefined;
      const drafts = names.filter(isDraft).map((name) => isAbandonedDraft(layout, join(folder, name)));
      return (await Promise.all(drafts)).includes(true);
    }),
  );
  return folders.filter((_, index) => dead[index]);
}
