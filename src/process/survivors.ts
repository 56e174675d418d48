// Processes that a job leaves behind although its group was killed: they have moved to a group of their own (daemons, setsid).
// All that a job starts inherits its marker in the environment, so they are found by it. Linux only, where /proc tells; a
// process that has cleared its environment is not found.
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { errorCode } from '../support/missing-files.ts';

const ROUNDS = 100;
const ROUND_MS = 10;

/**
 * Kills every process whose environment holds `marker` (`NAME=value`) until none is left.
 * @param since pid of the job itself: what it started came later. Without it every process is looked at.
 */
export async function endSurvivors(marker: string, since?: number): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const found = await survivorsOf(marker, since);
    if (found.length === 0) return;
    for (const pid of found) killOne(pid);
    await wait(ROUND_MS);
  }
}

async function survivorsOf(marker: string, since: number | undefined): Promise<readonly number[]> {
  const names = await readdir('/proc').catch((): string[] => []);
  const first = since === undefined || (await pidsHaveWrapped(since)) ? 0 : since;
  const candidates = names.map(Number).filter((pid) => pid > first && pid !== process.pid);
  const marked = await Promise.all(candidates.map(async (pid) => ((await isMarked(pid, marker)) ? [pid] : [])));
  return marked.flat();
}

async function isMarked(pid: number, marker: string): Promise<boolean> {
  // Another user's process, or one that has just ended, cannot be read: it is none of ours.
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  return `\0${environment}`.includes(`\0${Buffer.from(marker, 'utf8').toString('latin1')}\0`);
}

/** Pids are given upwards; after the highest they begin again. */
async function pidsHaveWrapped(since: number): Promise<boolean> {
  const newest = Number((await readFile('/proc/loadavg', 'utf8').catch(() => '')).split(' ')[4]);
  return !(newest >= since);
}

function killOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH' && errorCode(error) !== 'EPERM') throw error;
  }
}
