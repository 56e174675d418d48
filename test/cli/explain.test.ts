// Why: the change that somebody made, with its place, through however many stages it has come.
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  await cli.write('words.txt', 'one two');
  await cli.write('w.json', workflow);
});
afterEach(async () => {
  await cli.remove();
});

const copy = (script: string, inputs: object, more: object = {}): object => ({
  kind: 'command',
  inputs,
  with: {
    argv: ['sh', '-c', script, '{output:out}', ...Object.keys(inputs).map((port) => `{input:${port}}`)],
    outputs: { out: { type: 'file', path: 'out.txt' } },
    ...more,
  },
});
const workflow = {
  name: 'chain',
  params: { deep: { word: 'a' }, other: 'x' },
  stages: {
    first: {
      kind: 'command',
      with: {
        argv: ['sh', '-c', 'printf %s "$1" > "$0"', '{output:out}', { $param: 'deep.word' }],
        outputs: { out: { type: 'file', path: 'out.txt' } },
      },
    },
    read: copy('cat words.txt > "$0"', {}, { files: ['words.txt'] }),
    middle: copy('cat "$1" > "$0"; printf m >> "$0"', { in: 'first.out' }),
    last: copy('cat "$1" "$2" > "$0"', { a: 'middle.out', b: 'read.out' }),
  },
};

describe('explain', () => {
  test('goes back from a stage whose input may change to the setting, its place and the --set behind it', async () => {
    await cli.run('run', 'w.json');
    const { stdout } = await cli.run('explain', 'last', '--set', 'deep.word=b');
    expect(stdout).toContain('a run now: run unless the output of middle is unchanged');
    expect(stdout).toContain('because first → middle: /settings/argv/4 "a" → "b"');
    expect(stdout).toMatch(/argv\/4 is written at w\.json:\d+:\d+: parameter deep\.word, set by --set deep\.word=b/);
  });

  test('tells of a run that has been what led to each of its stages', async () => {
    await cli.run('run', 'w.json');
    await cli.run('run', 'w.json', '--set', 'deep.word=b');
    const past = (await cli.run('explain', 'last')).stdout;
    expect(past).toContain('because first → middle: /settings/argv/4 "a" → "b"');
    expect(past).toContain('a run now: cached, made by run ');
  });

  test('tells why a stage that failed had been run', async () => {
    await cli.write('fail.json', {
      name: 'fail',
      params: { code: 0 },
      stages: { only: { kind: 'command', with: { argv: ['sh', '-c', 'exit $0', { $param: 'code' }] } } },
    });
    await cli.run('run', 'fail.json');
    await cli.run('run', 'fail.json', '--set', 'code=3');
    expect((await cli.run('explain', 'only')).stdout).toContain(
      'failed: the command ended with exit code 3; it ran because /settings/argv/3 0 → 3\n      argv/3 is written at',
    );
  });

  test('names the file whose content changed', async () => {
    await cli.run('run', 'w.json');
    await appendFile(join(cli.root, 'words.txt'), ' three');
    const { stdout } = await cli.run('explain', 'last');
    expect(stdout).toMatch(/because read: \/files\/words\.txt \w{12} → \w{12}\n {6}file words\.txt/);
  });

  test('names a params file and the default as places too, and follows stages that are cached under another key', async () => {
    await cli.run('run', 'w.json', '--set', 'deep.word=b');
    await cli.write('p.json', { deep: { word: 'c' } });
    const file = (await cli.run('explain', 'first', '--params', 'p.json')).stdout;
    expect(file).toMatch(/parameter deep\.word, from p\.json:3:13/);
    const byDefault = (await cli.run('explain', 'first', '--set', 'other=y')).stdout;
    expect(byDefault).toMatch(/parameter deep\.word, from w\.json:\d+:\d+/);
    await cli.run('run', 'w.json', '--until', 'first');
    await cli.run('run', 'w.json', '--set', 'deep.word=b');
    const restored = (await cli.run('explain', 'middle', '--set', 'other=y')).stdout;
    expect(restored).toMatch(/because first: \/settings\/argv\/4 "b" → "a"/);
  });

  test('takes patterns of ids, and gives everything as JSON', async () => {
    await cli.run('run', 'w.json');
    const answer = JSON.parse((await cli.run('explain', '*d*', '--set', 'deep.word=b', '--json')).stdout) as {
      stages: { stage: string; roots: object[] }[];
    };
    expect(answer.stages.map(({ stage }) => stage)).toEqual(['read', 'middle']);
    expect(answer.stages[1]?.roots).toMatchObject([
      {
        path: ['middle', 'first'],
        cause: { because: 'changed', changes: [{ pointer: '/settings/argv/4', before: '"a"', after: '"b"' }] },
        origins: {
          '/settings/argv/4': { at: { file: 'w.json' }, parameter: { path: 'deep.word', set: 'deep.word=b' } },
        },
      },
    ]);
  });
});
