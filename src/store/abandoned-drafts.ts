// Half-written files that their writers will never finish, because they are gone: a draft's name carries its writer's pid.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPidInUse } from '../process/process-identity.ts';
import { namesIn } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';

export function isAbandonedDraft(name: string): boolean {
  const pid = /\.draft-(\d+)-/.exec(name)?.[1];
  return pid !== undefined && !isPidInUse(Number(pid));
}

/** Removes drafts whose writers are gone. */
export async function sweepDrafts({ drafts }: StoreLayout): Promise<void> {
  await sweepFolder(drafts);
}

async function sweepFolder(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (isAbandonedDraft(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** The same wherever files are replaced by rename: for after a crash, it reads many folders. */
export async function sweepDraftsEverywhere(layout: StoreLayout): Promise<void> {
  const { home, claims, latest, actions, runs } = layout;
  const below = async (folder: string): Promise<readonly string[]> =>
    (await namesIn(folder)).map((name) => join(folder, name));
  const many = await Promise.all([actions, runs].map(below));
  for (const folder of [home, claims, latest, ...many.flat()]) await sweepFolder(folder);
}
