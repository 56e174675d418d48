// Jobs that end at once, without a process: for tests of what the engine decides, where thousands of stages run. Each output
// is a digest of what the request says, cut to `settings.bits`, so that changes sometimes do not change it.
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobRequest } from '../../src/events/job-protocol.ts';
import type { Executor, RunningJob } from '../../src/execute/ports.ts';

export const instantExecutor: Executor = {
  async start({ jobFolder }) {
    const request = JSON.parse(await readFile(join(jobFolder, 'job.json'), 'utf8')) as JobRequest;
    if (request.settings['fail'] === true) return ended(1);
    const inputs = await Promise.all(Object.values(request.inputs).map(({ path }) => readFile(path, 'utf8')));
    const hash = createHash('sha256')
      .update(JSON.stringify([request.settings, inputs]))
      .digest();
    const value = (hash[0] ?? 0) % Number(request.settings['values'] ?? 256);
    await mkdir(join(jobFolder, 'out'), { recursive: true });
    await writeFile(join(jobFolder, 'out/out'), `${request.kind} ${value}`);
    const metrics = `{"format":"headgate-metrics","version":1,"task":"t","primary":"score","values":{"score":${value}}}`;
    await writeFile(join(jobFolder, 'out/metrics'), metrics);
    const result = {
      protocol: 1,
      token: request.token,
      status: 'succeeded',
      outputs: { out: 'out', metrics: 'metrics' },
    };
    await writeFile(join(jobFolder, 'result.json'), JSON.stringify(result));
    return ended(0);
  },
  stderrTail: () => Promise.resolve(''),
  endOrphan: () => Promise.resolve(),
};

function ended(exitCode: number): RunningJob {
  return {
    identity: undefined,
    ended: Promise.resolve({ cause: 'exited', exitCode, signal: null }),
    cancel: () => undefined,
    kill: () => undefined,
  };
}
