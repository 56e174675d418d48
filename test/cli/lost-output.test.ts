// Where the machine keeps a command from speaking: a full disk behind standard output, a reader that left, too few open files.
// Each ends with a sentence and a right exit code, since none of it is a bug of headgate.
import { spawnSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { builtProgram } from '../support/built-program.ts';
import { CommandLine } from '../support/command-line.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  const argv = ['sh', '-c', 'echo x > "$0"', '{output:out}'];
  const outputs = { out: { type: 'file', path: 'out' } };
  await cli.write('w.json', { name: 'w', stages: { s: { kind: 'command', with: { argv, outputs } } } });
});
afterEach(async () => {
  await cli.remove();
});

/** A line of shell in the folder of the workflow; `headgate` in it is the built program. */
function shell(line: string): { readonly status: number | null; readonly stderr: string } {
  const defined = `headgate() { "${process.execPath}" "${builtProgram}" "$@"; }; ${line}`;
  return spawnSync('bash', ['-c', defined], { cwd: cli.root, encoding: 'utf8' });
}

test.each(['--version', '--help', 'runs', 'runs --json', 'run w.json', 'plan w.json', 'validate w.json --json'])(
  'a full disk behind standard output is said once by `%s`, which is then no success',
  (command) => {
    const { status, stderr } = shell(`headgate ${command} > /dev/full`);
    expect(stderr).toMatch(
      /^headgate: the output could not be written: ENOSPC: .*\n {2}help: send it elsewhere, .*\n$/,
    );
    expect(status).toBe(1);
  },
);

test('a run whose output is lost still runs to its end, and status tells it', () => {
  expect(shell('headgate run w.json > /dev/full').status).toBe(1);
  expect(shell('headgate status | grep -q "^Succeeded: 1 ran"').status).toBe(0);
});

test('an exit code that is none of success stays, wherever the words went', () => {
  expect(shell('headgate validate missing.json > /dev/full 2> /dev/full').status).toBe(2);
});

test('a reader that leaves early is no failure, and nothing is said of it', () => {
  const { status, stderr } = shell('headgate plan w.json | true; exit "${PIPESTATUS[0]}"');
  expect([status, stderr]).toEqual([0, '']);
});

test.each([20, 24, 28])('with %i files that may be open a command says so', (limit) => {
  const { status, stderr } = shell(`ulimit -n ${limit}; headgate status`);
  expect(stderr).toMatch(/^headgate: EMFILE: .*\n {2}help: raise the limit of open files \(ulimit -n\)\n$/);
  expect(status).toBe(1);
});
