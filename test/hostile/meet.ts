// Meets a hostile case: the real command line in a child process, its time and its peak of memory measured, and an end put
// to it when it hangs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WAITED_SECONDS, type HostileCase } from './hostile-case.ts';

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

export async function meet(main: string, hostile: HostileCase): Promise<Met> {
  const root = await mkdtemp(join(tmpdir(), 'headgate-hostile-'));
  try {
    await hostile.files?.(root);
    for (const args of hostile.before ?? []) {
      const made = await runOnce(main, root, args);
      if (made.exit !== 0) throw new Error(`${args.join(' ')} ended with ${made.exit}:\n${made.text.slice(0, 2000)}`);
    }
    await hostile.spoil?.(root);
    const met = await runOnce(main, root, hostile.args);
    await hostile.after?.(root);
    return met;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
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
