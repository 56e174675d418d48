// Processes of a project, found from outside: whatever has the project's folder in its command line, its working folder or
// its environment. Linux only, as the campaigns are.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface ProcessOfProject {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly text: string;
}

export function processesOf(root: string): readonly ProcessOfProject[] {
  const found: ProcessOfProject[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const text = read(pid, 'cmdline').replaceAll('\0', ' ');
    if (text === '') continue; // a kernel thread, or a zombie: dead, only not yet buried
    if (!text.includes(root) && !folderOf(pid).startsWith(root) && !read(pid, 'environ').includes(root)) continue;
    const fields = read(pid, 'stat')
      .replace(/^.*\) /s, '')
      .split(' ');
    found.push({ pid, parent: Number(fields[1]), group: Number(fields[2]), text });
  }
  return found;
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // it has ended meanwhile
  }
}

function folderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

export function kill(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
