// Half-written files that their writers will never finish, because they are gone: a draft's name carries its writer's token, in
// the earlier program its pid.
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { namesIn } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';
import { ownersOf } from './owners.ts';

export function isDraft(name: string): boolean {
  return DRAFT.test(name);
}

const DRAFT = /\.draft-(?:([0-9a-f]{10}-\d+-(?:\d+|x)-[0-9a-f]{8})-[0-9a-f]{12}|\d+-[0-9a-f]+)$/;

export async function isAbandonedDraft(layout: StoreLayout, path: string): Promise<boolean> {
  const found = DRAFT.exec(basename(path));
  if (found === null) return false;
  const owners = ownersOf(layout);
  const [, token] = found;
  // A pid alone may be any host's, and used again on this one: only that the draft stands still says something.
  const standing = token === undefined ? owners.ofNobody([path]) : await owners.ofToken(token, [path]);
  return standing === 'gone';
}

/** Removes drafts whose writers are gone. */
export async function sweepDrafts(layout: StoreLayout): Promise<void> {
  await sweepFolder(layout, layout.drafts);
}

async function sweepFolder(layout: StoreLayout, folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    if (await isAbandonedDraft(layout, path)) await rm(path, { recursive: true, force: true });
  }
}

/** The same wherever files are replaced by rename: for after a crash, it reads many folders. */
export async function sweepDraftsEverywhere(layout: StoreLayout): Promise<void> {
  const { home, claims, engines, latest, actions, runs } = layout;
  const below = async (folder: string): Promise<readonly string[]> =>
    (await namesIn(folder)).map((name) => join(folder, name));
  const many = await Promise.all([actions, runs].map(below));
  for (const folder of [home, claims, engines, latest, ...many.flat()]) await sweepFolder(layout, folder);
}
