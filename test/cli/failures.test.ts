// Failures from the command line: what --keep-going does and resume remembers, secrets on every stream, a closed terminal.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandLine } from '../support/command-line.ts';
import { FifoReader } from '../support/fifo.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await cli.remove();
});

const command = (script: string, more: object = {}, settings: object = {}): object => ({
  kind: 'command',
  ...more,
  with: { argv: ['sh', '-c', script, '{output:out}'], outputs: { out: { type: 'file', path: 'out' } }, ...settings },
});
const states = (stdout: string): { readonly [id: string]: string } => {
  const { stages } = JSON.parse(stdout) as {
    readonly stages: readonly { readonly id: string; readonly state: string }[];
  };
  return Object.fromEntries(stages.map(({ id, state }) => [id, state]));
};

describe('after a failure', () => {
  const workflow = {
    name: 'w',
    stages: {
      bad: command('exit 7'),
      good: command('echo x > "$0"'),
      needs: command('echo x > "$0"', { after: 'bad' }),
    },
  };

  test('nothing new starts, and the exit code is 1', async () => {
    await cli.write('w.json', workflow);
    const { exitCode, stdout } = await cli.run('run', 'w.json', '--jobs', '1', '--json');
    expect(exitCode).toBe(1);
    expect(states(stdout)).toEqual({ bad: 'failed', good: 'pending', needs: 'blocked' });
  });

  test('--keep-going runs what does not depend on it, says so, and resume does the same', async () => {
    await cli.write('w.json', workflow);
    const first = await cli.run('run', 'w.json', '--jobs', '1', '--keep-going');
    expect(first.exitCode).toBe(1);
    expect(first.stdout).toMatch(/Failed: 1 ran, 0 cached, 0 not taken, 1 failed, 1 blocked in .* --keep-going\)/);
    const again = await cli.run('resume', '--json');
    expect(again.exitCode).toBe(1);
    expect(states(again.stdout)).toEqual({ bad: 'failed', good: 'cached', needs: 'blocked' });
    expect((JSON.parse(again.stdout) as { options: object }).options).toMatchObject({ keepGoing: true, jobs: 1 });
  });
});

test('--timeout stops a command that never ends, and is refused when it is no time', async () => {
  await cli.write('w.json', { name: 'w', stages: { endless: command('while :; do :; done') } });
  const { exitCode, stdout } = await cli.run('run', 'w.json', '--timeout', '200ms');
  expect(exitCode).toBe(1);
  expect(stdout).toContain('it took longer than its timeout of 0.2 s');
  const refused = await cli.run('run', 'w.json', '--timeout', 'soon');
  expect(refused).toMatchObject({ exitCode: 2, stdout: '' });
  expect(refused.stderr).toContain('--timeout soon is no time');
});

test('a secret is on no stream, in no format', async () => {
  vi.stubEnv('DEMO_TOKEN', 'hf_neverToBeSeen');
  const env = { DEMO_TOKEN: { secret: true } };
  await cli.write('w.json', {
    name: 'w',
    stages: { leak: command('echo "$DEMO_TOKEN"; echo "using $DEMO_TOKEN" >&2; exit 3', {}, { env }) },
  });
  for (const args of [
    ['run', 'w.json'],
    ['run', 'w.json', '--json'],
    ['run', 'w.json', '--log-format', 'jsonl'],
    ['status'],
    ['explain', 'leak'],
  ]) {
    const { stdout, stderr } = await cli.run(...args);
    expect(stdout + stderr, args.join(' ')).not.toContain('neverToBeSeen');
    if (args[0] === 'run') expect(stdout).toContain('[secret DEMO_TOKEN]');
  }
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s once asks jobs to end, and the exit code is 130',
  async (signal) => {
    const ready = await FifoReader.make(join(cli.root, 'ready'));
    await cli.write('w.json', {
      name: 'w',
      stages: {
        waits: command(`trap 'exit 1' INT; echo > ready; while :; do sleep 0.05; done`),
        next: command('', { after: 'waits' }),
      },
    });
    const { child, ended } = cli.start('run', 'w.json', '--json');
    await ready.read();
    child.kill(signal);
    const { exitCode, stdout } = await ended;
    expect(exitCode).toBe(130);
    expect(states(stdout)).toEqual({ waits: 'cancelled', next: 'pending' });
    expect(await readdir(join(cli.root, '.headgate/claims'))).toEqual([]);
  },
);

test('a reader that has seen enough does not change how a run ends', async () => {
  await cli.write('w.json', { name: 'w', stages: { a: command('sleep 0.2; exit 5'), b: command('echo x > "$0"') } });
  const { child, ended } = cli.start('run', 'w.json');
  child.stdout?.destroy();
  expect((await ended).exitCode).toBe(1);
});
