// The clock by which a store's files are stamped: that of its file system, which may be another machine's.
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { draftName } from '../support/atomic-file.ts';
import type { StoreLayout } from './layout.ts';

/** Milliseconds since 1970; this machine's own where nothing can be written. */
export function storeTimeMs({ drafts }: Pick<StoreLayout, 'drafts'>): number {
  if (!existsSync(drafts)) return Date.now(); // nothing was stored here yet
  const probe = join(drafts, draftName('clock'));
  try {
    writeFileSync(probe, '');
    return statSync(probe).mtimeMs;
  } catch {
    return Date.now();
  } finally {
    rmSync(probe, { force: true });
  }
}
