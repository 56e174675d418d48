// A child process in its own process group: its output goes to files, its standard input is a pipe that ends when the
// engine is gone, and whatever ends it first is the cause that is told. The only importer of execa.
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { deferred } from '../support/deferred.ts';
import { errorCode } from '../support/missing-files.ts';
import type { Redactor } from '../support/redaction.ts';
import { writeLog } from './bounded-log.ts';
import { holdersOf, pipesOf } from './pipe-holders.ts';
import { endSurvivors } from './survivors.ts';

export interface ProcessSpec {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** The whole environment: nothing is added to it. */
  readonly env: { readonly [name: string]: string | undefined };
  readonly stdoutFile: string;
  readonly stderrFile: string;
  /** 'held' keeps a pipe open for as long as this process lives; 'empty' is /dev/null. */
  readonly stdin: 'held' | 'empty';
  /** Takes what is printed through this process, bounded and without these secrets; else it goes to the files directly. */
  readonly filter?: Redactor;
  /** `NAME=value` in `env` by which processes that leave the group are found. */
  readonly marker?: string;
  readonly timeoutMs?: number;
  /** Between SIGINT and SIGKILL. */
  readonly graceMs: number;
}

export type ProcessEnd =
  | { readonly cause: 'exited'; readonly exitCode: number | null; readonly signal: string | null }
  | { readonly cause: 'timed-out'; readonly exitCode: number | null; readonly signal: string | null }
  | { readonly cause: 'cancelled'; readonly exitCode: number | null; readonly signal: string | null }
  | { readonly cause: 'not-started'; readonly code: string };

/** What a program and its group printed is read within this time after their end; a process that holds the pipes on is a stranger. */
const PIPES_MS = 1000;
/** Stands for a stranger that is another user's, or that a system without /proc does not tell. */
const UNSEEN = 'a process that cannot be looked at';

export interface RunningProcess {
  /** Undefined when the process could not be started. */
  readonly pid: number | undefined;
  readonly ended: Promise<ProcessEnd>;
  /** Processes that still held its pipes when these were closed, such as `12345 (sleep 9)`; complete once it has ended. */
  readonly strangers: readonly string[];
  /** SIGINT to the whole group, after the grace SIGKILL. */
  cancel(): void;
  /** SIGKILL to the whole group, now. */
  kill(): void;
}

export async function startProcess(spec: ProcessSpec): Promise<RunningProcess> {
  const { execa } = await import('execa'); // not before something is started: most runs restore everything
  const [file, ...args] = spec.argv;
  const { filter } = spec;
  // Plain descriptors where nothing is filtered: such a child must be able to log after the engine was killed.
  const files = filter === undefined ? [await openLog(spec.stdoutFile), await openLog(spec.stderrFile)] : [];
  const child = execa(file, args, {
    cwd: spec.cwd,
    env: spec.env,
    extendEnv: false,
    detached: true,
    cleanup: false,
    reject: false,
    buffer: false,
    stdin: spec.stdin === 'held' ? 'pipe' : 'ignore',
    stdout: files[0] ?? 'pipe',
    stderr: files[1] ?? 'pipe',
  });
  files.forEach((file) => file.destroy());
  const logged =
    filter === undefined || child.stdout === null || child.stderr === null
      ? Promise.resolve()
      : Promise.all([writeLog(child.stdout, spec.stdoutFile, filter), writeLog(child.stderr, spec.stderrFile, filter)]);
  logged.catch(() => undefined); // a full disk may end it before `ended` below hears of it
  child.stdin?.on('error', () => undefined); // a child that closes its end early is its own business

  const strangers: string[] = [];
  const pipes = filter === undefined || child.pid === undefined ? [] : pipesOf(child.pid);
  const closePipes = async (): Promise<void> => {
    const holders = await holdersOf(pipes);
    const open = [child.stdout, child.stderr].filter((stream) => stream !== null && !stream.closed);
    if (open.length === 0) return; // they ended by themselves meanwhile
    strangers.push(...(holders.length === 0 ? [UNSEEN] : holders));
    open.forEach((stream) => stream?.destroy());
  };

  let cause: 'timed-out' | 'cancelled' | undefined;
  let grace: NodeJS.Timeout | undefined;
  const endBecause = (why: 'timed-out' | 'cancelled'): void => {
    if (cause !== undefined) return;
    cause = why;
    signalGroup(child.pid, 'SIGINT');
    grace = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), spec.graceMs);
  };
  const deadline = spec.timeoutMs === undefined ? undefined : setTimeout(() => endBecause('timed-out'), spec.timeoutMs);

  // Nothing that the job left behind may outlive it, or keep its pipes open.
  const swept = deferred<void>();
  child.once('exit', () => {
    clearTimeout(deadline);
    clearTimeout(grace);
    signalGroup(child.pid, 'SIGKILL');
    (spec.marker === undefined ? Promise.resolve() : endSurvivors(spec.marker, child.pid)).then(
      swept.resolve,
      swept.reject,
    );
    const closing = setTimeout(() => void closePipes(), PIPES_MS);
    logged.then(
      () => clearTimeout(closing),
      () => clearTimeout(closing),
    );
  });
  const ended = child.then(async (result): Promise<ProcessEnd> => {
    clearTimeout(deadline);
    if (child.pid === undefined) return { cause: 'not-started', code: errorCode(result.cause) ?? 'unknown' };
    await Promise.all([swept.promise, logged]);
    return { cause: cause ?? 'exited', exitCode: result.exitCode ?? null, signal: result.signal ?? null };
  });
  return {
    pid: child.pid,
    ended,
    strangers,
    cancel: () => endBecause('cancelled'),
    kill: () => {
      cause ??= 'cancelled';
      signalGroup(child.pid, 'SIGKILL');
    },
  };
}

async function openLog(path: string): Promise<WriteStream> {
  const stream = createWriteStream(path, { flags: 'a' });
  await once(stream, 'open');
  return stream;
}

/** Sends a signal to every process of a group; a group that is gone is no problem. */
export function signalGroup(groupId: number | undefined, signal: 'SIGINT' | 'SIGKILL'): void {
  // Group 1 would be every process there is.
  if (groupId === undefined || groupId <= 1) return;
  try {
    process.kill(-groupId, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

/** The last bytes of a log, from a line's start where that is possible. */
export async function readTail(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return '';
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - maxBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = buffer.toString('utf8', 0, bytesRead);
    const lineEnd = text.indexOf('\n');
    return (start > 0 && lineEnd >= 0 ? text.slice(lineEnd + 1) : text).trimEnd();
  } finally {
    await file.close();
  }
}
