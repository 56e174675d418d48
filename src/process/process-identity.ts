// Which process a pid means: pids are used again, so a pid alone says nothing about who is alive. Linux's start time tells.
import { readFile } from 'node:fs/promises';
import { errorCode } from '../support/missing-files.ts';

export type ProcessIdentity = {
  readonly pid: number;
  /** Clock ticks after boot, from /proc/PID/stat; null where the system has no such file. */
  readonly startTime: string | null;
};

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
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (stat === null) return null;
  // The command name may hold spaces and brackets; fields are counted from its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? 'zombie' : (fields[19] ?? null);
}

/** Whether some process has this pid, whoever it is. */
export function isPidInUse(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
