// What people ask about past runs: which there were, what differs between two, and how to begin with the first.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
});
afterEach(async () => {
  await cli.remove();
});

test('init writes a workflow that runs and stops as it says, and overwrites nothing', async () => {
  const made = await cli.run('init', 'project');
  expect([made.exitCode, made.stdout.split('\n')[0]]).toEqual([0, 'wrote project/workflow.json']);
  const ran = await cli.run('run', 'project/workflow.json');
  expect([ran.exitCode, ran.stderr]).toEqual([0, '']);
  expect(await readFile(join(cli.root, '.headgate/out/first/publish.text.txt'), 'utf8')).toContain('backbone first');
  expect((await cli.run('run', 'project/workflow.json', '--set', 'minimumWords=50')).exitCode).toBe(3);
  const before = await readFile(join(cli.root, 'project/workflow.json'), 'utf8');
  const again = await cli.run('init', 'project');
  expect([again.exitCode, again.stdout]).toEqual([2, '']);
  expect(again.stderr).toContain('project/workflow.json is there already');
  expect(await readFile(join(cli.root, 'project/workflow.json'), 'utf8')).toBe(before);
});

test('runs lists them newest first, diff tells what differs, and both take every name of a run', async () => {
  expect((await cli.run('runs')).stdout).toBe('no run yet; headgate run FILE makes one\n');
  await cli.run('init');
  await cli.run('run', 'workflow.json');
  await cli.run('run', 'workflow.json', '--set', 'text=four words, not more', '--set', 'minimumWords=3');
  await cli.run('run', 'workflow.json', '--set', 'minimumWords=30');
  const listed = JSON.parse((await cli.run('runs', '--json')).stdout) as {
    run: string;
    outcome: string;
    set: string[];
    counts: object;
  }[];
  expect(listed.map(({ outcome }) => outcome)).toEqual(['stopped', 'succeeded', 'succeeded']);
  expect(listed[1]?.set).toEqual(['text=four words, not more', 'minimumWords=3']);
  expect(listed[2]?.counts).toEqual({ succeeded: 4, 'not-taken': 1 });
  const table = (await cli.run('runs')).stdout.split('\n');
  expect(table[1]).toMatch(/^ run +workflow +outcome +took +ran +cached +failed/);
  expect(table[2]).toContain(listed[0]?.run);
  expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(80);

  const { stdout } = await cli.run('diff', '@3', '@2');
  expect(stdout).toContain(
    'text "Quantise the backbone first, then one head after the other." → "four words, not more"',
  );
  expect(stdout).toContain('minimumWords 5 → 3');
  expect(stdout).toMatch(/count +words +10 +4 +−6 +worse/);
  expect(stdout).toMatch(/write: ran in .* → ran in .*, because \/settings\/argv\/4/);
  const [newest = '', , oldest = ''] = listed.map(({ run }) => run);
  const gate = JSON.parse((await cli.run('diff', oldest.slice(0, -2), newest.slice(-6), '--json')).stdout) as object;
  expect(gate).toMatchObject({
    before: { run: oldest },
    after: { run: newest, outcome: 'stopped' },
    params: [{ pointer: '/minimumWords', before: '5', after: '30' }],
    metrics: [],
    verdicts: [{ stage: 'long-enough', before: 'yes', after: 'no' }],
    same: 2,
  });
  expect((await cli.run('diff', 'latest', '@1')).stdout).toContain('all 5 stages the same');
  expect(await cli.run('diff', '@9', '@1')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('no run "@9"') as unknown,
  });
  expect((await cli.run('status', '@2')).stdout).toContain(listed[1]?.run);
});

test('cache gc says why nothing goes, when a limit was given', async () => {
  await cli.run('init');
  await cli.run('run', 'workflow.json');
  expect((await cli.run('cache', 'gc', '--dry-run')).stdout).toBe('nothing would be removed\n');
  expect((await cli.run('cache', 'gc', '--max-size', '1B')).stdout).toMatch(
    /^nothing removed\n {2}help: .*an hour old/,
  );
});
