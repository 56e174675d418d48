// A terminal that is closed while a run goes on: the run ends as if it had been interrupted.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { builtProgram } from '../support/built-program.ts';
import { CommandLine } from '../support/command-line.ts';

const python = process.env['HEADGATE_PYTHON'] ?? 'python3';
const hasTerminals = spawnSync(python, ['-c', 'import pty']).status === 0;
const hangUp = fileURLToPath(new URL('hang_up.py', import.meta.url));

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
});
afterEach(async () => {
  await cli.remove();
});

test.skipIf(!hasTerminals)(`ends with 130, not with an abort (skipped where ${python} has no pty)`, async () => {
  await cli.write('w.json', { name: 'w', stages: { slow: { kind: 'command', with: { argv: ['sleep', '30'] } } } });
  const program = [process.execPath, builtProgram, 'run', 'w.json', '--log-format', 'plain'];
  const { status } = spawnSync(python, [hangUp, 'slow started', ...program], { cwd: cli.root });
  expect(status).toBe(130);
  expect((await cli.run('runs')).stdout).toContain('interrupted');
});
