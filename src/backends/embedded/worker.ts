// The embedded backend's process: takes a job directory, runs the job, writes result.json last (src/events/job-protocol.ts).
// `node worker.js DIR`. The engine's end of standard input tells it that the engine is gone.
import { appendFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { JOB_PROTOCOL } from '../../events/job-protocol.ts';
import type { JobRequest, JobResult } from '../../events/job-protocol.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import type { JobContext, JobOutcome } from './job-context.ts';
import { checkFaultAllowed } from './faults.ts';
import { failureOf, JobError } from './job-error.ts';
import { jobs } from './jobs/registry.ts';

async function main(folder: string): Promise<void> {
  const request = JSON.parse(await readFile(join(folder, 'job.json'), 'utf8')) as JobRequest;
  const context = await prepare(folder);
  const result = await runJob(request, context);
  await writeFileAtomic(join(folder, 'result.json'), `${JSON.stringify(result)}\n`);
  process.exit(0);
}

async function prepare(folder: string): Promise<JobContext> {
  let stop = false;
  const ask = (): void => {
    stop = true;
  };
  process.on('SIGINT', ask);
  process.on('SIGTERM', ask);
  process.stdin.on('end', ask);
  process.stdin.on('error', ask);
  process.stdin.resume();
  const outDir = join(folder, 'out');
  const resumeDir = join(folder, 'resume');
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  await mkdir(resumeDir, { recursive: true });
  const events = join(folder, 'events.jsonl');
  return {
    outDir,
    resumeDir,
    // Synchronous: a line must be on disk before the next step blocks the thread.
    emit: (event) => {
      appendFileSync(events, `${JSON.stringify(event)}\n`);
    },
    interrupted: () => stop,
  };
}

async function runJob(request: JobRequest, context: JobContext): Promise<JobResult> {
  const identity = { protocol: JOB_PROTOCOL, token: request.token } as const;
  try {
    return { ...identity, ...(await outcomeOf(request, context)) };
  } catch (cause) {
    return { ...identity, status: 'failed', failure: failureOf(cause) };
  }
}

function outcomeOf(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  if (Number(request.protocol) !== JOB_PROTOCOL) {
    throw new JobError({
      reason: 'protocol',
      message: `the job speaks protocol ${request.protocol}, this worker ${JOB_PROTOCOL}`,
      remedy: 'Run `npm run build` again.',
    });
  }
  // Whatever the kind: a job that has no use for a fault must not pass as one that withstood it.
  checkFaultAllowed(request);
  const job = jobs.get(request.kind);
  if (job === undefined)
    throw new JobError({ reason: 'protocol', message: `the embedded backend has no job of kind "${request.kind}"` });
  return job(request, context);
}

await main(process.argv[2] ?? '.');
