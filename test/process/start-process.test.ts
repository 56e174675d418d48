// Real processes, told by signals and pipes what to do; nothing here waits for time to pass.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identifyProcess, isProcessAlive } from '../../src/process/process-identity.ts';
import { readTail, startProcess, type ProcessSpec } from '../../src/process/start-process.ts';
import { bundleEntry } from '../support/bundle.ts';
import { FifoReader } from '../support/fifo.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-process-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function spec(script: string, changes: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    argv: [process.execPath, '-e', script],
    cwd: folder,
    env: process.env,
    stdoutFile: join(folder, 'stdout.log'),
    stderrFile: join(folder, 'stderr.log'),
    stdin: 'held',
    graceMs: 60_000,
    ...changes,
  };
}

const SAY_READY = (fifo: string): string => `require('fs').writeFileSync(${JSON.stringify(fifo)}, 'ready');`;

describe('a job process', () => {
  test('ends with its exit code and leaves what it printed in files', async () => {
    const child = await startProcess(spec(`console.log('out'); console.error('err'); process.exitCode = 7`));
    expect(await child.ended).toEqual({ cause: 'exited', exitCode: 7, signal: null });
    expect(await readFile(join(folder, 'stdout.log'), 'utf8')).toBe('out\n');
    expect(await readTail(join(folder, 'stderr.log'), 1000)).toBe('err');
  });

  test('that does not exist is told apart from one that failed', async () => {
    const child = await startProcess({ ...spec(''), argv: ['headgate-no-such-program'] });
    expect(await child.ended).toEqual({ cause: 'not-started', code: 'ENOENT' });
  });

  test('is asked by SIGINT when it is cancelled and may end in its own way', async () => {
    const fifo = await FifoReader.make(join(folder, 'fifo'));
    const child = await startProcess(
      spec(`process.on('SIGINT', () => process.exit(0)); setInterval(() => {}, 1000); ${SAY_READY(fifo.path)}`),
    );
    expect(await fifo.read()).toBe('ready');
    child.cancel();
    expect(await child.ended).toEqual({ cause: 'cancelled', exitCode: 0, signal: null });
  });

  test('that ignores SIGINT is killed after the grace', async () => {
    const fifo = await FifoReader.make(join(folder, 'fifo'));
    const child = await startProcess(
      spec(`process.on('SIGINT', () => {}); setInterval(() => {}, 1000); ${SAY_READY(fifo.path)}`, { graceMs: 1 }),
    );
    await fifo.read();
    child.cancel();
    expect(await child.ended).toEqual({ cause: 'cancelled', exitCode: null, signal: 'SIGKILL' });
  });

  test('that takes too long times out, and a later cancel does not change the cause', async () => {
    const child = await startProcess(spec(`setInterval(() => {}, 1000)`, { timeoutMs: 1, graceMs: 1 }));
    const end = await child.ended;
    child.cancel();
    expect(end.cause).toBe('timed-out');
  });

  test('takes its whole group with it, grandchildren too', async () => {
    const fifo = await FifoReader.make(join(folder, 'fifo'));
    const grandchild = `process.on('SIGINT', () => {}); setInterval(() => {}, 1000);
      require('fs').writeFileSync(${JSON.stringify(fifo.path)}, String(process.pid))`;
    const child = await startProcess(
      spec(`require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}], { stdio: 'ignore' });
        setInterval(() => {}, 1000)`),
    );
    const identity = await identifyProcess(Number(await fifo.read()));
    expect(await isProcessAlive(identity)).toBe(true);
    child.kill();
    await child.ended;
    // Both were sent the signal; which of them the kernel is done with first is not said.
    await expect.poll(() => isProcessAlive(identity), { timeout: 10_000 }).toBe(false);
  });

  test('sees the end of its standard input when the process that started it was killed', async () => {
    const fifo = await FifoReader.make(join(folder, 'fifo'));
    const ends = await FifoReader.make(join(folder, 'ends'));
    const job = `process.stdin.on('end', () => { require('fs').writeFileSync(${JSON.stringify(ends.path)}, 'orphaned'); });
      process.stdin.resume(); ${SAY_READY(fifo.path)}`;
    const door = await bundleEntry(join(import.meta.dirname, '../../src/process/start-process.ts'));
    const engine = `const { startProcess } = await import(${JSON.stringify(door)});
      await startProcess(${JSON.stringify(spec(job))})`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', engine], { stdio: 'inherit' });
    await fifo.read();
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(await ends.read()).toBe('orphaned');
  });
});

test('a process is not mistaken for an earlier one with its pid', async () => {
  const self = await identifyProcess(process.pid);
  expect(await isProcessAlive(self)).toBe(true);
  expect(await isProcessAlive({ ...self, startTime: '1' })).toBe(self.startTime === null);
});
