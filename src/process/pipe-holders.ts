// Who still holds the pipe that a program printed to, though the program and its group are gone: found by the open files of
// every process that may be looked at. Linux only, where /proc tells; elsewhere nobody is found.
import { readdir, readFile, readlink } from 'node:fs/promises';

/** One side of a pipe, as the child's standard stream sees it: the name by which /proc tells a pipe, `pipe:[12345]`. */
export type PipeName = string;

/** Of its standard output and error, as far as they can be told. */
export async function pipesOf(pid: number): Promise<readonly PipeName[]> {
  const links = await Promise.all([1, 2].map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return links.filter((link) => link.startsWith('pipe:') || link.startsWith('socket:'));
}

/** Process and command, such as `12345 (sleep 9)`; this process reads the pipes itself and is no holder. */
export async function holdersOf(pipes: readonly PipeName[]): Promise<readonly string[]> {
  const pids = (await readdir('/proc').catch((): string[] => [])).filter((name) => /^\d+$/.test(name));
  const found: string[] = [];
  for (const pid of pids) {
    if (Number(pid) === process.pid) continue;
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
