// A run's folder, lock and journal, from before its first event to after its last. What happens in between is its caller's.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunId } from '../events/ids.ts';
import { Journal } from '../store/journal.ts';
import type { StoreLayout } from '../store/layout.ts';
import { lockRun, nextRunId, runFolder, unlockRun } from '../store/runs.ts';
import { errorCode } from '../support/missing-files.ts';
import { Recorder, type RunListener } from './recorder.ts';

export interface OpenRun {
  readonly run: RunId;
  readonly folder: string;
  readonly recorder: Recorder;
  /** After the last event. */
  closeJournal(): void;
  /** Last of all. */
  unlock(): Promise<void>;
}

/** A new run, or an earlier one to go on with: same id, same journal. */
export interface WhichRun {
  readonly run?: RunId;
  readonly continues?: { readonly run: RunId; readonly nextSeq: number; readonly soundBytes: number };
}

export async function openRun(
  layout: StoreLayout,
  { run: named, continues }: WhichRun,
  listeners: readonly RunListener[],
): Promise<OpenRun> {
  const run = continues?.run ?? named ?? nextRunId(layout, new Date());
  const folder = runFolder(layout, run);
  const journal = Journal.open(folder, continues?.soundBytes);
  await lockRun(folder);
  await keepOutOfGit(layout.home);
  return {
    run,
    folder,
    recorder: new Recorder(run, journal, listeners, continues?.nextSeq),
    closeJournal: () => journal.close(),
    unlock: () => unlockRun(folder),
  };
}

/** The store is not for version control, and nobody should have to say so. */
async function keepOutOfGit(home: string): Promise<void> {
  await writeFile(join(home, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}
