// The README and the docs against the project: commands, options, scripts, linked files and decisions exist.
import { readFile, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

const project = join(import.meta.dirname, '../..');
const readme = await readFile(join(project, 'README.md'), 'utf8');
const shellLines = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)]
  .flatMap(([, block]) => (block ?? '').replaceAll('\\\n', ' ').split('\n'))
  .map((line) => line.replace(/\s{2,}#.*$/, '').trim())
  .filter((line) => line !== '');

let cli: CommandLine;
beforeAll(async () => {
  cli = await CommandLine.inNewFolder();
});
afterAll(async () => {
  await cli.remove();
});

const headgateLines = shellLines.filter((line) => line.startsWith('npx headgate '));

test('the README shows how to use every command', async () => {
  const { stdout } = await cli.run('--help');
  const commands = [...stdout.matchAll(/^ {2}([a-z]+)(?: \[options\]| {2})/gm)].map(([, name]) => name);
  expect(commands.length).toBeGreaterThanOrEqual(8);
  const shown = new Set(headgateLines.map((line) => line.split(' ')[2]));
  expect([...shown].sort()).toEqual(commands.sort());
});

test.each(headgateLines)('%s names a command and options that exist', async (line) => {
  const [, , command = '', ...rest] = line.split(/\s+/);
  const inner = command === 'cache' ? rest.slice(0, 1) : [];
  const { stdout, exitCode } = await cli.run(command, ...inner, '--help');
  expect(exitCode).toBe(0);
  for (const option of rest.filter((word) => word.startsWith('--'))) expect(stdout).toContain(option);
  for (const path of rest.filter((word) => word.startsWith('workflows/'))) await stat(join(project, path));
});

test('no placeholder is left in the README', () => {
  expect(readme).not.toMatch(/^[A-Z]+_[A-Z]+$/m);
});

test('every npm script that the README names exists', async () => {
  const { scripts } = JSON.parse(await readFile(join(project, 'package.json'), 'utf8')) as {
    scripts: { readonly [name: string]: string };
  };
  const named = shellLines.flatMap((line) => /^npm run (\S+)/.exec(line)?.[1] ?? []);
  expect(named).toContain('demo');
  for (const name of named) expect(scripts).toHaveProperty(name);
});

test('every relative link of the README and of docs/ leads to a file', async () => {
  const folder = join(project, 'docs');
  const pages = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.md'));
  const files = ['README.md', ...pages.map((name) => `docs/${name}`)];
  for (const file of files) {
    const text = await readFile(join(project, file), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      await expect(stat(join(project, dirname(file), target)), `${file} links ${target}`).resolves.toBeDefined();
    }
  }
});
