// What a job leaves behind: processes that left its group, jobs of an engine that was killed, and more output than any disk
// has room for. Ends are seen by the end of a pipe that the process holds; nothing waits for time to pass.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeLog } from '../../src/process/bounded-log.ts';
import { identifyProcess, isProcessAlive } from '../../src/process/process-identity.ts';
import { startProcess, type ProcessSpec } from '../../src/process/start-process.ts';
import { redactorOf } from '../../src/support/redaction.ts';
import { bundleEntry } from '../support/bundle.ts';
import { FifoReader } from '../support/fifo.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-left-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const nothing = redactorOf([]);
function spec(script: string, changes: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    argv: [process.execPath, '-e', script],
    cwd: folder,
    env: { ...process.env, HEADGATE_JOB: folder },
    marker: `HEADGATE_JOB=${folder}`,
    filter: nothing,
    stdoutFile: join(folder, 'stdout.log'),
    stderrFile: join(folder, 'stderr.log'),
    stdin: 'empty',
    graceMs: 60_000,
    ...changes,
  };
}

/** Leaves the group and the session, ignores what can be ignored, keeps the job's output open and says its pid. */
function daemon(fifo: string, then: string): string {
  const own = `for (const s of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(s, () => {}); setInterval(() => {}, 1000);
    require('fs').writeFileSync(${JSON.stringify(fifo)}, String(process.pid))`;
  return `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(own)}],
    { detached: true, stdio: 'inherit' }).unref(); ${then}`;
}

describe.runIf(process.platform === 'linux')('a grandchild that moved to a session of its own', () => {
  test('does not outlive a job that ended well', async () => {
    const [fifo, go] = [await FifoReader.make(join(folder, 'fifo')), await FifoReader.make(join(folder, 'go'))];
    const child = await startProcess(
      spec(daemon(fifo.path, `require('fs').writeFileSync(${JSON.stringify(go.path)}, 'x'); process.exit(0)`)),
    );
    const identity = await identifyProcess(Number(await fifo.read()));
    expect(await isProcessAlive(identity)).toBe(true);
    await go.read(); // the job stood until now
    expect(await child.ended).toMatchObject({ cause: 'exited', exitCode: 0 });
    expect(await isProcessAlive(identity)).toBe(false);
  });

  test('does not outlive one that was stopped for its time', async () => {
    const fifo = await FifoReader.make(join(folder, 'fifo'));
    const child = await startProcess(spec(daemon(fifo.path, 'setInterval(() => {}, 1000)'), { graceMs: 60_000 }));
    const identity = await identifyProcess(Number(await fifo.read()));
    child.cancel();
    expect(await child.ended).toMatchObject({ cause: 'cancelled' });
    expect(await isProcessAlive(identity)).toBe(false);
  });

  test('is found by the job’s marker alone: a process without it is left in peace', async () => {
    const fifo = await FifoReader.make(join(folder, 'fifo'));
    const other = spawn(process.execPath, ['-e', daemon(fifo.path, '')], {
      env: { ...process.env, HEADGATE_JOB: `${folder}2` },
      stdio: 'ignore',
    });
    const identity = await identifyProcess(Number(await fifo.read()));
    await (
      await startProcess(spec(''))
    ).ended;
    expect(await isProcessAlive(identity)).toBe(true);
    process.kill(identity.pid, 'SIGKILL');
    other.kill('SIGKILL');
  });
});

describe('jobs of an engine that was killed', () => {
  async function orphaned(script: string, graceMs: number): Promise<void> {
    const ends = await FifoReader.make(join(folder, 'ends'));
    const ready = await FifoReader.make(join(folder, 'ready'));
    // The job holds `ends` open as long as it lives, so that its end can be read.
    const job = `require('fs').openSync(${JSON.stringify(ends.path)}, 'w');
      require('fs').writeFileSync(${JSON.stringify(ready.path)}, 'ready'); setInterval(() => {}, 1000); ${script}`;
    const door = await bundleEntry(join(import.meta.dirname, '../../src/executors/local.ts'));
    const launch = {
      argv: [process.execPath, '-e', job],
      cwd: folder,
      env: process.env,
      jobFolder: folder,
      stdin: 'empty',
      graceMs,
    };
    const engine = `const { localExecutor } = await import(${JSON.stringify(door)});
      await localExecutor.start(${JSON.stringify(launch)}); setInterval(() => {}, 1000)`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', engine], { stdio: 'inherit' });
    const gone = ends.read();
    await ready.read();
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(await gone).toBe('');
  }

  test('end by themselves', async () => {
    await orphaned('', 60_000);
  });
  test('are killed when they do not listen', async () => {
    await orphaned(`process.on('SIGINT', () => {})`, 1);
  });
});

describe('a log', () => {
  const logged = async (pieces: Iterable<Buffer>, head: number, tail: number): Promise<string> => {
    const path = join(folder, 'log');
    await writeLog(Readable.from(pieces), path, nothing, { headBytes: head, tailBytes: tail });
    return readFile(path, 'utf8');
  };
  const lines = (count: number) =>
    Array.from({ length: count }, (_, n) => Buffer.from(`${String(n).padStart(3, '0')}\n`));

  test('is kept whole where it is short', async () => {
    expect(await logged(lines(10), 40, 20)).toBe(lines(10).join(''));
    expect(await logged([], 40, 20)).toBe(lines(10).join('')); // appended to: nothing
  });
  test('keeps its beginning and its end, and says how much is not there', async () => {
    expect(await logged(lines(100), 8, 8)).toBe('000\n001\n\n[headgate left out 384 bytes]\n098\n099\n');
  });
  test('of a program that floods it stays small, in memory and on disk', async () => {
    const before = process.memoryUsage.rss();
    const child = await startProcess({
      ...spec(''),
      argv: ['sh', '-c', 'head -c 200000000 /dev/zero; echo the end >&2'],
    });
    expect(await child.ended).toMatchObject({ exitCode: 0 });
    const { size } = await stat(join(folder, 'stdout.log'));
    expect(size).toBeGreaterThan(9 << 20);
    expect(size).toBeLessThan(10 << 20);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 << 20);
    expect(await readFile(join(folder, 'stderr.log'), 'utf8')).toBe('the end\n');
  });
});
