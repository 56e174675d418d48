// A run's folder, lock and journal, from before its first event to after its last. What happens in between is its caller's.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunId } from '../events/ids.ts';
import { Journal } from '../store/journal.ts';
import { mendJournal } from '../store/mend-journal.ts';
import type { JournalDamage } from '../store/read-journal.ts';
import type { StoreLayout } from '../store/layout.ts';
import { lockRun, unlockRun } from '../store/run-lock.ts';
import { nextRunId, runFolder } from '../store/runs.ts';
import { errorCode } from '../support/missing-files.ts';
import { Recorder, type RunListener } from './recorder.ts';

export interface OpenRun {
  readonly run: RunId;
  readonly folder: string;
  /** The path under which the damaged journal is kept as it was found. */
  readonly keptAt?: string;
  readonly recorder: Recorder;
  /** After the last event. */
  closeJournal(): void;
  /** Last of all. */
  unlock(): void;
}

/** A new run, or an earlier one to go on with: same id, same journal. */
export interface WhichRun {
  readonly run?: RunId;
  readonly continues?: {
    readonly run: RunId;
    readonly nextSeq: number;
    readonly soundBytes: number;
    /** What is wrong with the journal; its whole lines stay. */
    readonly damage?: JournalDamage;
  };
}

export async function openRun(
  layout: StoreLayout,
  { run: named, continues }: WhichRun,
  listeners: readonly RunListener[],
): Promise<OpenRun> {
  const run = continues?.run ?? named ?? nextRunId(layout, new Date());
  const folder = runFolder(layout, run);
  const other = await lockRun(folder);
  if (other !== undefined) throw new Error(`run ${run} is run by another engine (process ${other.pid})`);
  const mended = continues?.damage === undefined ? undefined : await mendJournal(layout, folder);
  const journal = openJournal(folder, mended?.soundBytes ?? continues?.soundBytes);
  await keepOutOfGit(layout.home);
  return {
    run,
    folder,
    ...(mended === undefined ? {} : { keptAt: mended.keptAt }),
    recorder: new Recorder(run, journal, listeners, continues?.nextSeq),
    closeJournal: () => journal.close(),
    unlock: () => unlockRun(folder),
  };
}

/** A journal that cannot be opened (a full disk) is nobody's run. */
function openJournal(folder: string, soundBytes: number | undefined): Journal {
  try {
    return Journal.open(folder, soundBytes);
  } catch (error) {
    unlockRun(folder);
    throw error;
  }
}

/** The store is not for version control, and nobody should have to say so. */
async function keepOutOfGit(home: string): Promise<void> {
  await writeFile(join(home, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}
