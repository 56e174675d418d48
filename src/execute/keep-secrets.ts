// Secrets in what a job told and left on disk: its texts and its folder are cleaned of them, and an output that holds one is
// not taken into the store, where it would be kept and handed on.
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { lstat, readFile, readdir, readlink, rm, stat } from 'node:fs/promises';
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

/** Rewrites every file below a job's folder that holds a secret; what has one in its name, or leads to one, is removed. */
export async function cleanFolder(folder: string, redactor: Redactor): Promise<void> {
  if (redactor.longest === 0) return;
  for await (const entry of namesBelow(folder)) {
    const own = OWN_FILES.has(entry.relative.toString());
    if (!own && (await secretInName(entry, redactor)) !== undefined) {
      await rm(entry.path, { recursive: true, force: true });
      continue;
    }
    const info = await lstat(entry.path).catch(() => undefined);
    if (info?.isFile() !== true || (await secretIn(entry.path, redactor)) === undefined) continue;
    if (info.size > REWRITTEN_BYTES || !isUtf8(entry.path)) await rm(entry.path, { force: true });
    else await replaceFile(entry.path.toString(), redacted(await readFile(entry.path), redactor));
  }
}

/**
 * The name of a secret that an output holds: in its bytes, in its own name or one inside it, in where a link leads.
 * @param name how the job called it.
 */
export async function secretBelow(path: string, name: string, redactor: Redactor): Promise<string | undefined> {
  if (redactor.longest === 0) return undefined;
  const named = redactor.firstIn(Buffer.from(name));
  if (named !== undefined) return named;
  if (!(await stat(path)).isDirectory()) return secretIn(path, redactor);
  for await (const entry of namesBelow(path)) {
    const isFile = (await stat(entry.path).catch(() => undefined))?.isFile() === true;
    const found = (await secretInName(entry, redactor)) ?? (isFile ? await secretIn(entry.path, redactor) : undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Names are bytes: those that are no UTF-8 can hold a secret too. */
interface Named {
  readonly path: Buffer;
  readonly relative: Buffer;
  readonly isLink: boolean;
}

/** Everything below a folder, folders before what is in them; links are not followed. */
async function* namesBelow(folder: string | Buffer, above = Buffer.alloc(0)): AsyncGenerator<Named> {
  const home = Buffer.from(folder);
  for (const entry of await readdir(home, { withFileTypes: true, encoding: 'buffer' }).catch(() => [])) {
    const path = Buffer.concat([home, SLASH, entry.name]);
    const relative = above.length === 0 ? entry.name : Buffer.concat([above, SLASH, entry.name]);
    yield { path, relative, isLink: entry.isSymbolicLink() };
    if (entry.isDirectory()) yield* namesBelow(path, relative);
  }
}

const SLASH = Buffer.from('/');

async function secretInName({ path, relative, isLink }: Named, redactor: Redactor): Promise<string | undefined> {
  const found = redactor.firstIn(relative);
  if (found !== undefined || !isLink) return found;
  const target = await readlink(path, { encoding: 'buffer' }).catch(() => undefined);
  return target === undefined ? undefined : redactor.firstIn(target);
}

async function secretIn(file: string | Buffer, redactor: Redactor): Promise<string | undefined> {
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
