// Who still holds the pipe that a program printed to, though the program and its group are gone: found by the open files of
// every process that may be looked at. Linux only, where /proc tells; elsewhere nobody is found.
import { readlinkSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';

/** The name by which /proc tells the side of a pipe that a child writes to, such as `pipe:[12345]` or `socket:[12345]`. */
export type PipeName = string;

/**
 * The pipes that a child's standard output and error are, as far as they can be told. Looks at once: a child that has ended,
 * or has put a file in the place of its output, does not tell them any more.
 */
export function pipesOf(pid: number): readonly PipeName[] {
  return [1, 2].map((fd) => linkOf(pid, fd)).filter((link) => link.startsWith('pipe:') || link.startsWith('socket:'));
}

function linkOf(pid: number, fd: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return ''; // no /proc, or the child is gone already: nobody can be named, but the pipes are closed all the same
  }
}

/** Processes that hold one of these pipes open, with their command, such as `12345 (sleep 9)`; never this process itself. */
export async function holdersOf(pipes: readonly PipeName[]): Promise<readonly string[]> {
  if (pipes.length === 0) return [];
  const pids = (await readdir('/proc').catch((): string[] => [])).filter((name) => /^\d+$/.test(name));
  const found: string[] = [];
  for (const pid of pids) {
    if (Number(pid) === process.pid) continue;
    // Another user's process, or one that has just ended, cannot be looked at.
    const descriptors = await readdir(`/proc/${pid}/fd`).catch((): string[] => []);
    const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
    if (links.some((link) => pipes.includes(link))) found.push(`${pid} (${await commandOf(pid)})`);
  }
  return found;
}

const LONGEST_COMMAND = 80;

async function commandOf(pid: string): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return line.replaceAll('\0', ' ').trim().slice(0, LONGEST_COMMAND) || 'unknown';
}
