// The engine dies, or is interrupted, while it puts final outputs where people take them from: `resume` puts the rest there.
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

/** Sends itself a signal where the second of the final outputs would get its name. */
const preload = (signal: string): string => `
  import fs from 'node:fs';
  import { once } from 'node:events';
  import { syncBuiltinESMExports } from 'node:module';
  const { rename } = fs.promises;
  let delivered = 0;
  fs.promises.rename = async (from, to) => {
    if (String(to).includes('/.headgate/out/') && ++delivered === 2) {
      const received = once(process, '${signal === 'SIGKILL' ? 'SIGTERM' : signal}');
      const alive = setInterval(() => undefined, 1000); // a signal that is awaited keeps no process alive
      process.kill(process.pid, '${signal}');
      await received;
      clearInterval(alive);
    }
    return rename(from, to);
  };
  syncBuiltinESMExports();
`;

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  const stage = (name: string): object => ({
    kind: 'command',
    with: {
      argv: ['sh', '-c', `echo ${name} > "$0"`, '{output:out}'],
      outputs: { out: { type: 'file', path: 'out.txt' } },
    },
  });
  await cli.write('w.json', { name: 'w', stages: { one: stage('one'), two: stage('two'), three: stage('three') } });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await cli.remove();
});

const out = (...names: readonly string[]): string => join(cli.root, '.headgate/out/w', ...names);

async function runUntil(signal: string): Promise<number | null> {
  await cli.write('preload.mjs', preload(signal));
  vi.stubEnv('NODE_OPTIONS', `--import ${join(cli.root, 'preload.mjs')}`);
  const { exitCode } = await cli.run('run', 'w.json');
  vi.unstubAllEnvs();
  return exitCode;
}

test.each([
  ['SIGKILL', null, 1],
  ['SIGINT', 130, 2],
])('after %s, resume runs nothing and delivers what was not there yet', async (signal, exitCode, delivered) => {
  expect(await runUntil(signal)).toBe(exitCode);
  expect(await readdir(out())).toHaveLength(delivered);
  const resumed = await cli.run('resume', '--json');
  expect(resumed).toMatchObject({ exitCode: 0, stderr: '' });
  const { stages, files } = JSON.parse(resumed.stdout) as {
    readonly stages: readonly { readonly state: string }[];
    readonly files: readonly { readonly stage: string }[];
  };
  expect(stages.map(({ state }) => state)).toEqual(['cached', 'cached', 'cached']);
  expect(files.map(({ stage }) => stage)).toEqual(['one', 'two', 'three']);
  for (const name of ['one', 'two', 'three']) expect(await readFile(out(`${name}.out.txt`), 'utf8')).toBe(`${name}\n`);
  expect((await cli.run('resume')).stderr).toContain('there is no unfinished run');
});

test('workflows whose names differ in letters of another script do not overwrite each other', async () => {
  const names = ['日本', '中国', '語'.repeat(200)];
  for (const name of names) {
    const workflow = JSON.parse(await readFile(join(cli.root, 'w.json'), 'utf8')) as object;
    await cli.write('named.json', { ...workflow, name });
    expect((await cli.run('run', 'named.json')).exitCode).toBe(0);
  }
  expect((await readdir(out('..'))).sort()).toEqual(['中国', '日本', '語'.repeat(85)].sort());
});
