// A job as a folder on disk (see events/job-protocol.ts): made before the start, read after the end.
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { JOB_PROTOCOL, type JobFailure, type JobResult, type WrittenRequest } from '../events/job-protocol.ts';
import type { StageFailure } from '../events/failures.ts';
import type { StageId } from '../events/ids.ts';
import { keepResumeState, workIn } from '../store/resume-states.ts';
import type { StoreLayout } from '../store/layout.ts';
import { replaceFile } from '../support/atomic-file.ts';
import type { Digest } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';
import { namesIn, readJsonIfPresent, readTextIfPresent } from '../support/missing-files.ts';
import { err, ok, type Result } from '../support/result.ts';
import { fileNameOf } from '../support/file-name.ts';

/** A new attempt's folder below the run's: the next number that no earlier engine of this run has used. */
export async function newAttemptFolder(
  runFolder: string,
  stage: StageId,
): Promise<{ attempt: number; folder: string }> {
  const home = join(runFolder, 'jobs', fileNameOf(stage));
  await mkdir(home, { recursive: true });
  const used = (await readdir(home)).map(Number).filter(Number.isInteger);
  const attempt = Math.max(0, ...used) + 1;
  const folder = join(home, String(attempt));
  await mkdir(join(folder, 'out'), { recursive: true });
  return { attempt, folder };
}

export function newToken(): string {
  return randomBytes(16).toString('hex');
}

export async function writeRequest(folder: string, request: WrittenRequest): Promise<void> {
  await replaceFile(join(folder, 'job.json'), `${JSON.stringify(request, null, 2)}\n`);
}

/** Keeps the state that a job left behind, if it left one, with the work that it stands for; false when there is none. */
export async function keepStateOfJob(layout: StoreLayout, key: Digest, folder: string): Promise<boolean> {
  const left = join(folder, 'resume');
  const files = await namesIn(left);
  const request = await readJsonIfPresent(join(folder, 'job.json'));
  const resumeFrom = isJsonObject(request) ? request['resumeFrom'] : undefined;
  const earlier = typeof resumeFrom === 'string' ? workIn(resumeFrom) : 0;
  // By what is on disk, since the engine that started the job may be gone. What it did after its last state is lost.
  const started = await modifiedAt(join(folder, 'job.json'));
  const written = await Promise.all(files.map((file) => modifiedAt(join(left, file))));
  const own = started === undefined ? 0 : Math.max(0, ...written.map((at) => (at ?? started) - started));
  return keepResumeState(layout, key, left, earlier + own);
}

async function modifiedAt(path: string): Promise<number | undefined> {
  return (await lstat(path).catch(() => undefined))?.mtimeMs;
}

/** The runner's last word, or undefined when it left none. */
export async function readResult(folder: string, token: string): Promise<Result<JobResult | undefined, StageFailure>> {
  if ((await readTextIfPresent(join(folder, 'result.json'))) === undefined) return ok(undefined);
  const document = await readJsonIfPresent(join(folder, 'result.json'));
  const malformed = (problem: string): Result<never, StageFailure> => err({ reason: 'result-malformed', problem });
  if (!isJsonObject(document)) return malformed('result.json is not a JSON object');
  if (document['protocol'] !== JOB_PROTOCOL) {
    return malformed(
      `result.json has protocol ${JSON.stringify(document['protocol'])}, this headgate speaks ${JOB_PROTOCOL}`,
    );
  }
  if (document['token'] !== token) return malformed('result.json has another attempt’s token');
  const base = { protocol: JOB_PROTOCOL, token } as const;
  switch (document['status']) {
    case 'interrupted':
      return ok({ ...base, status: 'interrupted' });
    case 'failed': {
      const failure = parseFailure(document['failure']);
      return failure === undefined
        ? malformed('"failure" needs a "reason" and a "message"')
        : ok({ ...base, status: 'failed', failure });
    }
    case 'succeeded': {
      const outputs = document['outputs'];
      const summary = document['summary'] ?? {};
      if (!isStrings(outputs)) return malformed('"outputs" must map ports to paths below out/');
      if (!isJsonObject(summary)) return malformed('"summary" must be an object');
      return ok({ ...base, status: 'succeeded', outputs, summary });
    }
    default:
      return malformed(`"status" is ${JSON.stringify(document['status'])}`);
  }
}

function parseFailure(value: unknown): JobFailure | undefined {
  if (!isJsonObject(value) || typeof value['reason'] !== 'string' || typeof value['message'] !== 'string')
    return undefined;
  const { reason, message, remedy, details } = value;
  return {
    reason,
    message,
    ...(typeof remedy === 'string' ? { remedy } : {}),
    ...(details === undefined ? {} : { details }),
  };
}

function isStrings(value: unknown): value is { readonly [name: string]: string } {
  return isJsonObject(value) && Object.values(value).every((item) => typeof item === 'string');
}
