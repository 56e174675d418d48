// Jobs as child processes of this engine on this machine.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Executor } from '../execute/ports.ts';
import { identifyProcess, isProcessAlive } from '../process/process-identity.ts';
import { OrphanGuard } from '../process/orphan-guard.ts';
import { endSurvivors } from '../process/survivors.ts';
import { readTail, signalGroup, startProcess } from '../process/start-process.ts';

const STDERR_TAIL_BYTES = 4096;
const ORPHAN_POLL_MS = 50;
/** In the environment of every job: where its folder is, and by what its processes are known. */
const MARKER = 'HEADGATE_JOB';

/** One for all runs of this process. */
const guard = new OrphanGuard();

export const localExecutor: Executor = {
  async start({ jobFolder, env, redactor, ...launch }) {
    const child = await startProcess({
      ...launch,
      env: { ...env, [MARKER]: jobFolder },
      marker: `${MARKER}=${jobFolder}`,
      ...(redactor === undefined ? {} : { filter: redactor }),
      stdoutFile: join(jobFolder, 'stdout.log'),
      stderrFile: join(jobFolder, 'stderr.log'),
    });
    const release = child.pid === undefined ? undefined : guard.watch(child.pid, launch.graceMs);
    return {
      identity: child.pid === undefined ? undefined : await identifyProcess(child.pid),
      ended: child.ended.finally(release),
      strangers: child.strangers,
      cancel: () => child.cancel(),
      kill: () => child.kill(),
    };
  },

  stderrTail: (jobFolder) => readTail(join(jobFolder, 'stderr.log'), STDERR_TAIL_BYTES),

  async endOrphan(job, graceMs, jobFolder) {
    // Its pipe to the dead engine has ended, so it should be writing its resume state by now.
    for (let waited = 0; waited < graceMs && (await isProcessAlive(job)); waited += ORPHAN_POLL_MS) {
      await wait(ORPHAN_POLL_MS);
    }
    if (await isProcessAlive(job)) {
      signalGroup(job.pid, 'SIGKILL');
      while (await isProcessAlive(job)) await wait(ORPHAN_POLL_MS);
    }
    await endSurvivors(`${MARKER}=${jobFolder}`);
  },
};
