// The example of a stage kind from another package, used as its README says: installed beside the workflow, run, edited.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { appendFile, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

const example = join(import.meta.dirname, '../../examples/third-party-kind');
let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  await cp(join(example, 'project'), cli.root, { recursive: true, filter: (path) => !path.includes('node_modules') });
  await cp(join(example, 'headgate-kind-labels'), join(cli.root, 'elsewhere/headgate-kind-labels'), {
    recursive: true,
  });
  // As npm installs a package by its path.
  await mkdir(join(cli.root, 'node_modules'), { recursive: true });
  await symlink('../elsewhere/headgate-kind-labels', join(cli.root, 'node_modules/headgate-kind-labels'));
});
afterEach(async () => {
  await cli.remove();
});

test('a stage of the package runs, a gate reads what it measured, and the second time it is cached', async () => {
  const first = await cli.run('run', 'workflow.json');
  expect([first.exitCode, first.stderr]).toEqual([0, '']);
  expect(first.stdout).toContain('sound → yes: labels invalidShare 1.28 %');
  expect(first.stdout).toMatch(/^Succeeded: 4 ran, 0 cached, 1 not taken in /m);
  const again = await cli.run('run', 'workflow.json');
  expect(again.stdout).toMatch(/^Succeeded: 0 ran, 4 cached, 1 not taken in /m);
});

test('a stricter gate stops the run without the check running again', async () => {
  await cli.run('run', 'workflow.json');
  const { exitCode, stdout } = await cli.run('run', 'workflow.json', '--set', 'maxInvalidShare=0.01');
  expect(exitCode).toBe(3);
  expect(stdout.trimEnd().split('\n').at(-1)).toBe(
    'The labels are not sound enough to train on; the report of `check` names the lines.',
  );
});

test('an edit of the package’s program runs its stages again, and the plan names the file', async () => {
  await cli.run('run', 'workflow.json');
  await appendFile(join(cli.root, 'elsewhere/headgate-kind-labels/job.js'), '\n// edited\n');
  const { stdout } = await cli.run('plan', 'workflow.json');
  expect(stdout).toMatch(/check +run: .*headgate-kind-labels.*job\.js/);
  expect(stdout).toMatch(/join +cached/);
});

test('wrong settings and links of its stages are refused at their place, before anything runs', async () => {
  const { exitCode, stderr } = await cli.run('validate', 'workflow.json', '--set', 'maxInvalidShare="x"');
  expect(exitCode).toBe(2);
  expect(stderr).toContain('HG1202');
  await cli.write('broken.json', {
    name: 'broken',
    kinds: ['headgate-kind-labels'],
    stages: { check: { kind: 'labels/check', with: { width: 640, hight: 480 } } },
  });
  const broken = await cli.run('validate', 'broken.json');
  expect(broken.exitCode).toBe(2);
  expect(broken.stderr).toMatch(/broken\.json:11:\d+ HG1111 "hight" is not a known key/);
  expect(broken.stderr).toContain('did you mean "height"?');
});

test('its program, interrupted half-way, goes on from there and gives what an undisturbed one gives', async () => {
  const job = join(example, 'headgate-kind-labels/job.js');
  const rows = Array.from({ length: 2000 }, (_, row) => `${row}.png,car,${row % 7},0,${row % 5},9\n`);
  const table = `image,class,x,y,width,height\n${rows.join('')}`;
  await writeFile(join(cli.root, 'labels.csv'), table);
  const folder = async (name: string, labels: string, more: object = {}): Promise<string> => {
    const path = join(cli.root, name);
    await mkdir(join(path, 'out'), { recursive: true });
    const inputs = { labels: { type: 'file', path: join(cli.root, labels), digest: '' } };
    const settings = { width: 10, height: 10 };
    const request = { protocol: 1, token: name, settings, inputs, ...more };
    await writeFile(join(path, 'job.json'), JSON.stringify(request));
    return path;
  };
  const resultOf = async (path: string): Promise<object> =>
    JSON.parse(await readFile(join(path, 'result.json'), 'utf8')) as object;

  // A pipe that holds back the second half keeps the first attempt where it is.
  execFileSync('mkfifo', [join(cli.root, 'half')]);
  const first = await folder('first', 'half');
  const child = spawn(process.execPath, [job, first], { stdio: ['pipe', 'ignore', 'inherit'] });
  const half = createWriteStream(join(cli.root, 'half'));
  half.write(table.slice(0, table.length / 2));
  await vi.waitFor(async () => expect(await readFile(join(first, 'events.jsonl'), 'utf8')).toContain('1000 lines'), {
    timeout: 20_000,
  });
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  await vi.waitFor(
    async () => expect(await resultOf(first)).toEqual({ protocol: 1, token: 'first', status: 'interrupted' }),
    { timeout: 20_000 },
  );
  half.destroy(); // node waits for a read that is under way
  expect(await ended).toEqual([0, null]);

  const second = await folder('second', 'labels.csv', { resumeFrom: join(first, 'resume') });
  const whole = await folder('whole', 'labels.csv');
  const [resumed, undisturbed] = await Promise.all(
    [second, whole].map(async (path) => {
      const attempt = spawn(process.execPath, [job, path], { stdio: ['pipe', 'ignore', 'inherit'] });
      expect(await once(attempt, 'exit')).toEqual([0, null]);
      const texts = await Promise.all(
        ['out/metrics.json', 'out/report.json'].map((name) => readFile(join(path, name), 'utf8')),
      );
      return { texts, result: await resultOf(path) };
    }),
  );
  expect(resumed?.result).toMatchObject({ status: 'succeeded', summary: { boxes: 2000 } });
  expect(resumed?.texts).toEqual(undisturbed?.texts);
});
