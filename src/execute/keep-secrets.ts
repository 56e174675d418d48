// Secrets in what a job told and left on disk: its texts and its folder are cleaned of them, and an output that holds one is
// not taken into the store, where it would be kept and handed on.
import { createReadStream } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { listFiles } from '../store/tree-manifest.ts';
import { replaceFile } from '../support/atomic-file.ts';
import type { StageFailure } from '../events/failures.ts';
import type { JobEvent } from '../events/job-protocol.ts';
import type { Redactor } from '../support/redaction.ts';

/** Larger files are removed rather than rewritten. */
const REWRITTEN_BYTES = 64 << 20;

/** A secret may be an ordinary word: of a record, its fields' names and these fields are headgate's own words and stay. */
export function redactFields<T extends object>(record: T, redactor: Redactor, own: readonly string[] = []): T {
  const entries = Object.entries(record) as [string, unknown][];
  // Only strings change, and they stay strings.
  return Object.fromEntries(
    entries.map(([name, value]) => [name, own.includes(name) ? value : redactor.json(value)]),
  ) as T;
}

export function redactEvent(event: JobEvent, redactor: Redactor): JobEvent {
  if (event.type === 'proof') return { type: 'proof', proof: redactFields(event.proof, redactor, ['name']) };
  return redactFields(event, redactor, ['type', 'level', 'unit']);
}

export function redactFailure(failure: StageFailure, redactor: Redactor): StageFailure {
  if (failure.reason === 'job-failed') return { ...failure, failure: redactFields(failure.failure, redactor) };
  return redactFields(failure, redactor, ['reason']);
}

/** Names that headgate gives: whatever a secret is, they tell nothing of it. */
const OWN_FILES: ReadonlySet<string> = new Set(['job.json', 'events.jsonl', 'result.json', 'stdout.log', 'stderr.log']);

/** Rewrites every file below a job's folder that holds a secret; files with one in their name are removed. */
export async function cleanFolder(folder: string, redactor: Redactor): Promise<void> {
  if (redactor.longest === 0) return;
  for (const path of await listFiles(folder).catch(() => [])) {
    const file = join(folder, path);
    const info = await stat(file).catch(() => undefined);
    if (info?.isFile() !== true) continue;
    if (!OWN_FILES.has(path) && redactor.text(path) !== path) await rm(file, { force: true });
    else if ((await secretIn(file, redactor)) === undefined) continue;
    else if (info.size > REWRITTEN_BYTES) await rm(file, { force: true });
    else await replaceFile(file, redacted(await readFile(file), redactor));
  }
}

/** The name of a secret that a file or folder holds, in its names too. */
export async function secretBelow(path: string, redactor: Redactor): Promise<string | undefined> {
  if (redactor.longest === 0) return undefined;
  if (!(await stat(path)).isDirectory()) return secretIn(path, redactor);
  for (const inner of await listFiles(path)) {
    const found = redactor.firstIn(Buffer.from(inner)) ?? (await secretIn(join(path, inner), redactor));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function secretIn(file: string, redactor: Redactor): Promise<string | undefined> {
  let carried = Buffer.alloc(0);
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) {
    const seen = Buffer.concat([carried, piece as Buffer]);
    const found = redactor.firstIn(seen);
    if (found !== undefined) return found;
    carried = seen.subarray(Math.max(0, seen.length - redactor.longest + 1));
  }
  return undefined;
}

function redacted(bytes: Buffer, redactor: Redactor): Buffer {
  const stream = redactor.stream();
  return Buffer.concat([stream.write(bytes), stream.end()]);
}
