// Which process a pid means, here: pids are used again, so a pid alone says nothing about who is alive. Linux's start time
// tells. Only for pids of this very place (see `engine-identity.ts`): elsewhere the same number is somebody else.
import { readFile } from 'node:fs/promises';
import { errorCode } from '../support/missing-files.ts';
import { procIsOwn, startTimeIn } from '../support/own-process.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot, from /proc/PID/stat; null where the system has no such file. */
  readonly startTime: string | null;
}

export async function identifyProcess(pid: number): Promise<ProcessIdentity> {
  return { pid, startTime: await startTimeOf(pid) };
}

/** Whether this very process still runs (a zombie does not count). */
export async function isProcessAlive(identity: ProcessIdentity): Promise<boolean> {
  if (!isPidInUse(identity.pid)) return false;
  const now = await startTimeOf(identity.pid);
  return now === identity.startTime;
}

async function startTimeOf(pid: number): Promise<string | null> {
  if (!procIsOwn()) return null;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return stat === null ? null : startTimeIn(stat);
}

/** Whether some process has this pid, whoever it is. */
function isPidInUse(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
