// Small files that one of many may create, and that one of many takes away when their owner is dead: claims and locks. Whole or
// not at all, and never over another's.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { draftName } from '../support/atomic-file.ts';
import { errorCode, isMissing } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';

type Drafts = Pick<StoreLayout, 'drafts'>;

/** False when the file is there already. Of those who try at once one wins. */
export function createOnce({ drafts }: Drafts, path: string, text: string): boolean {
  const draft = join(drafts, draftName('exclusive'));
  mkdirSync(drafts, { recursive: true });
  mkdirSync(dirname(path), { recursive: true });
  try {
    writeFileSync(draft, text);
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (!NO_LINKS.has(errorCode(error) ?? '')) throw error;
    return createWithoutLinks(path, text);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the file if it still says this; false when it does not any more. Of those who try at once one wins. */
export function removeUnchanged({ drafts }: Drafts, path: string, text: string): boolean {
  const aside = join(drafts, draftName('exclusive'));
  mkdirSync(drafts, { recursive: true });
  try {
    renameSync(path, aside);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  const removed = readFileSync(aside, 'utf8');
  if (removed !== text) {
    // Somebody else had taken it over in between: theirs goes back, unless there is a newer one already.
    try {
      linkSync(aside, path);
    } catch {
      // An owner without a heartbeat goes on all the same; at worst something is done twice.
    }
  }
  rmSync(aside, { force: true });
  return removed === text;
}

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK', 'EXDEV']);

/** A reader may find it empty for a moment and take it for a dead one's. */
function createWithoutLinks(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}
