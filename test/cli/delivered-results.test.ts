// What lies in out/ after a run: the results of the workflow, each of them whole, and nothing else of headgate's.
import { mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await cli.remove();
});

const out = (...names: readonly string[]): string => join(cli.root, '.headgate/out/w', ...names);

interface Told {
  readonly files: readonly { readonly path: string }[];
  readonly notDelivered: readonly { readonly stage: string; readonly why: string; readonly earlier?: string }[];
  readonly removed: readonly string[];
  readonly kept: readonly { readonly path: string; readonly as?: string }[];
}

async function run(
  workflow: object,
  ...options: readonly string[]
): Promise<Told & { readonly exitCode: number | null }> {
  await cli.write('w.json', { name: 'w', ...workflow });
  const { stdout, exitCode } = await cli.run('run', 'w.json', '--json', ...options);
  return { ...(JSON.parse(stdout) as Told), exitCode };
}

const shell = (script: string, outputs: object, ...args: readonly unknown[]): object => ({
  kind: 'command',
  with: { argv: ['sh', '-euc', script, ...args], outputs },
});

/** A folder of as many files as the parameter says. */
const folder = {
  params: { n: 4 },
  stages: {
    d: shell(
      'mkdir "$0"; i=0; while [ $i -lt $1 ]; do echo $i > "$0/f$i"; i=$((i+1)); done',
      { d: { type: 'file', path: 'd' } },
      '{output:d}',
      { $choose: [{ $equals: [{ $param: 'n' }, 4] }, '4', '2'] },
    ),
  },
};

test('a delivered folder is the artifact: nothing of an earlier result or of anybody else stays in it', async () => {
  await run(folder);
  await writeFile(out('d.d', 'stranger'), '');
  await mkdir(out('d.d', 'empty'));
  await run(folder, '--set', 'n=2');
  expect((await readdir(out('d.d'))).sort()).toEqual(['f0', 'f1']);
  await writeFile(out('d.d', 'stranger'), '');
  await run(folder, '--set', 'n=2');
  expect((await readdir(out('d.d'))).sort()).toEqual(['f0', 'f1']);
});

test('a link planted in out/ is replaced and not followed, wherever it lies', async () => {
  await run(folder);
  const elsewhere = join(cli.root, 'elsewhere');
  const plant = async (path: string): Promise<void> => {
    await rm(path, { recursive: true });
    await rm(elsewhere, { recursive: true, force: true });
    await mkdir(elsewhere);
    await writeFile(join(elsewhere, 'theirs'), '0\n');
    await symlink(path.endsWith('f0') ? join(elsewhere, 'theirs') : elsewhere, path);
  };
  for (const path of [out(), out('d.d'), out('d.d', 'f0')]) {
    await plant(path);
    for (const n of ['4', '2', '4']) await run(folder, '--set', `n=${n}`);
    expect(await readdir(elsewhere)).toEqual(['theirs']);
    expect(await readFile(join(elsewhere, 'theirs'), 'utf8')).toBe('0\n');
    expect((await readdir(out('d.d'), { withFileTypes: true })).every((entry) => entry.isFile())).toBe(true);
  }
});

test('every output that nobody reads is delivered, of any type, and what select has chosen, under declared extensions', async () => {
  const types = {
    r: ['report', 'report.html'],
    f: ['file', 'plot.png'],
    d: ['dataset', 'data.csv'],
    m: ['model', 'm.json'],
  };
  const outputs = Object.fromEntries(Object.entries(types).map(([port, [type, path]]) => [port, { type, path }]));
  const a = shell(
    'for f in "$@"; do echo 1 > "$f"; done',
    outputs,
    'x',
    ...Object.keys(types).map((port) => `{output:${port}}`),
  );
  const workflow = {
    stages: {
      a,
      keep: { kind: 'select', inputs: { m: 'a.m' } },
      use: { kind: 'command', inputs: { m: 'keep.m' }, with: { argv: ['true'] } },
    },
  };
  const { files } = await run(workflow);
  const names = ['a.d.csv', 'a.f.png', 'a.r.html', 'keep.m.json'];
  expect(files.map(({ path }) => path).sort()).toEqual(names.map((name) => `.headgate/out/w/${name}`));
  expect((await readdir(out())).sort()).toEqual(names);
});

const write = (text: string): object =>
  shell('echo "$1" > "$0"', { o: { type: 'file', path: 'o.txt' } }, '{output:o}', text);

test('a workflow that names its outputs delivers these under their names, and nothing else', async () => {
  const told = await run({
    outputs: { first: 'one.o', 'second.md': 'two.o' },
    stages: { one: write('1'), two: write('2'), three: write('3') },
  });
  expect(told.files.map(({ path }) => path)).toEqual(['.headgate/out/w/first.txt', '.headgate/out/w/second.md']);
  expect((await readdir(out())).sort()).toEqual(['first.txt', 'second.md']);
});

test('what the workflow no longer gives goes, unless a person changed it; what a person put there stays', async () => {
  await run({ stages: { one: write('1'), two: write('2'), three: write('3') } });
  await writeFile(out('notes.md'), 'mine');
  await writeFile(out('three.o.txt'), 'corrected');
  const told = await run({ stages: { one: write('1') } });
  expect(told.removed).toEqual(['.headgate/out/w/two.o.txt']);
  expect(told.kept).toEqual([{ path: '.headgate/out/w/three.o.txt' }]);
  expect((await readdir(out())).sort()).toEqual(['notes.md', 'one.o.txt', 'three.o.txt']);
});

test('a file of a person that lies where a result is to lie is kept beside it', async () => {
  await run({ stages: { one: write('1') } });
  await writeFile(out('two.o.txt'), 'mine');
  const { kept } = await run({ stages: { one: write('1'), two: write('2') } });
  expect(kept.map(({ path }) => path)).toEqual(['.headgate/out/w/two.o.txt']);
  expect(await readFile(join(cli.root, kept[0]?.as ?? ''), 'utf8')).toBe('mine');
  expect(await readFile(out('two.o.txt'), 'utf8')).toBe('2\n');
});

test('what a run did not give is told, with what is left of an earlier one', async () => {
  const after = (text: string): object => ({ ...write(text), after: 'first' });
  await run({ stages: { first: write('1'), then: after('2') } });
  const failed = await run({
    stages: { first: shell('exit 1', { o: { type: 'file', path: 'o.txt' } }), then: after('3') },
  });
  expect(failed.exitCode).toBe(1);
  expect(failed.notDelivered).toEqual([
    { stage: 'first', port: 'o', why: 'failed', earlier: '.headgate/out/w/first.o.txt' },
    { stage: 'then', port: 'o', why: 'blocked', earlier: '.headgate/out/w/then.o.txt' },
  ]);
  expect((await readdir(out())).sort()).toEqual(['first.o.txt', 'then.o.txt']);
});

test('a part of a workflow removes nothing that the whole has given', async () => {
  const workflow = { stages: { one: write('1'), two: write('2') } };
  await run(workflow);
  expect(await run(workflow, '--until', 'one')).toMatchObject({ removed: [], kept: [] });
  expect((await readdir(out())).sort()).toEqual(['one.o.txt', 'two.o.txt']);
});

/** Kills itself between the two steps in which a folder takes the place of another. */
const killBetween = `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  const { rename } = fs.promises;
  fs.promises.rename = async (from, to) => {
    await rename(from, to);
    if (String(to).includes('/.headgate/aside/')) process.kill(process.pid, 'SIGKILL');
  };
  syncBuiltinESMExports();
`;

test('after a crash between the two steps, the next start finds the old folder in its place and the run goes on', async () => {
  await run(folder);
  await cli.write('preload.mjs', killBetween);
  vi.stubEnv('NODE_OPTIONS', `--import ${join(cli.root, 'preload.mjs')}`);
  expect((await cli.run('run', 'w.json', '--set', 'n=2')).exitCode).toBe(null);
  vi.unstubAllEnvs();
  expect(await readdir(out())).toEqual([]);
  await cli.write('other.json', { name: 'other', stages: { one: write('1') } });
  await cli.run('run', 'other.json');
  expect((await readdir(out('d.d'))).sort()).toEqual(['f0', 'f1', 'f2', 'f3']);
  expect((await cli.run('resume', 'w.json')).exitCode).toBe(0);
  expect((await readdir(out('d.d'))).sort()).toEqual(['f0', 'f1']);
});
