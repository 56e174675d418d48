// Puts a damaged journal right before a run goes on in it: what it was is kept in quarantine, what is whole stays.
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { writeFileAtomic } from '../support/atomic-file.ts';
import { journalPath } from './journal-path.ts';
import type { StoreLayout } from './layout.ts';
import { wholeLines } from './read-journal.ts';

export interface MendedJournal {
  readonly soundBytes: number;
  /** The journal as it was found. */
  readonly keptAt: string;
}

export async function mendJournal({ quarantine }: StoreLayout, runFolder: string): Promise<MendedJournal> {
  const keptAt = join(quarantine, `journal-${basename(runFolder)}-${randomBytes(4).toString('hex')}`);
  const lines = await wholeLines(runFolder);
  mkdirSync(quarantine, { recursive: true });
  copyFileSync(journalPath(runFolder), keptAt);
  await writeFileAtomic(journalPath(runFolder), lines);
  return { soundBytes: lines.length, keptAt };
}
