// Meets a hostile case: the real command line in a child process, its time and its peak of memory measured, and an end put
// to it when it hangs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WAITED_SECONDS, type Begin, type HostileCase } from './hostile-case.ts';

export interface Met {
  readonly exit: number | null;
  readonly text: string;
  readonly seconds: number;
  /** Of processor time. */
  readonly cpuSeconds: number;
  readonly megabytes: number;
  readonly hung: boolean;
}

/** What is kept of a flood of output. */
const KEPT_CHARACTERS = 4_000_000;

/** Meets cases one after the other; what several of them begin with is made once and copied. */
export class Meeting {
  private readonly main: string;
  private readonly begun = new Map<Begin, Promise<string>>();

  constructor(main: string) {
    this.main = main;
  }

  async meet(hostile: HostileCase): Promise<Met> {
    const root = await newFolder();
    try {
      if (hostile.begin !== undefined)
        await cp(await this.folderOf(hostile.begin), root, { recursive: true, preserveTimestamps: true });
      await hostile.files?.(root);
      const met = await runOnce(this.main, root, hostile.args);
      await hostile.after?.(root);
      return met;
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }

  async end(): Promise<void> {
    for (const folder of this.begun.values()) await rm(await folder, { recursive: true, force: true });
  }

  private folderOf(begin: Begin): Promise<string> {
    const folder = this.begun.get(begin) ?? made(this.main, begin);
    this.begun.set(begin, folder);
    return folder;
  }
}

async function made(main: string, { files, args }: Begin): Promise<string> {
  const root = await newFolder();
  await files(root);
  const { exit, text } = await runOnce(main, root, args);
  if (exit !== 0) throw new Error(`${args.join(' ')} ended with ${exit}:\n${text.slice(0, 2000)}`);
  return root;
}

function newFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'headgate-hostile-'));
}

async function runOnce(main: string, root: string, args: readonly string[]): Promise<Met> {
  const peak = join(root, '.peak');
  const startedAt = performance.now();
  const preload = join(import.meta.dirname, 'peak-memory.mjs');
  const child = spawn(process.execPath, ['--import', preload, main, ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', HOSTILE_PEAK: peak },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // so that an end can be put to all of it
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      if (text.length < KEPT_CHARACTERS) text += part;
    });
  }
  let hung = false;
  const limit = setTimeout(() => {
    hung = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, WAITED_SECONDS * 1000);
  const [exit] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  const [kilobytes, microseconds] = (await readFile(peak, 'utf8').catch(() => '0 0')).split(' ');
  await rm(peak, { force: true });
  return {
    exit,
    text,
    seconds: (performance.now() - startedAt) / 1000,
    cpuSeconds: Number(microseconds) / 1e6,
    megabytes: Number(kilobytes) / 1024,
    hung,
  };
}
