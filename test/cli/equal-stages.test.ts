// Stages of one workflow that are the same work, and stages that are not given what their workflow sets for all.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

let cli: CommandLine;
beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
});
afterEach(() => cli.remove());

interface Told {
  readonly stages: readonly { readonly id: string; readonly state: string; readonly key?: string }[];
}

async function states(...options: readonly string[]): Promise<{ readonly [id: string]: string }> {
  const { stdout, exitCode } = await cli.run('run', 'w.json', '--json', ...options);
  expect(exitCode).toBe(0);
  return Object.fromEntries((JSON.parse(stdout) as Told).stages.map(({ id, state }) => [id, state]));
}

const log = async (): Promise<string> => readFile(join(cli.root, 'log.txt'), 'utf8');
const say = (word: string, after?: string): object => ({
  kind: 'command',
  ...(after === undefined ? {} : { after }),
  with: { argv: ['sh', '-c', `echo ${word} >> log.txt`] },
});

describe('equal stages without outputs', () => {
  it('each run once, in every run of the workflow the same, whatever they are called', async () => {
    await cli.write('w.json', {
      name: 'w',
      stages: { before: say('checked'), change: say('changed', 'before'), after: say('checked', 'change') },
    });
    expect(await states()).toEqual({ before: 'succeeded', change: 'succeeded', after: 'succeeded' });
    expect(await log()).toBe('checked\nchanged\nchecked\n');
    expect(await states()).toEqual({ before: 'cached', change: 'cached', after: 'cached' });
    await cli.write('w.json', {
      name: 'w',
      stages: { first: say('checked'), change: say('changed', 'first'), last: say('checked', 'change') },
    });
    expect(await states()).toEqual({ first: 'cached', change: 'cached', last: 'cached' });
    await cli.write('w.json', { name: 'w', stages: { change: say('changed'), last: say('checked', 'change') } });
    expect(await states()).toEqual({ change: 'cached', last: 'cached' });
  });

  it('each run where only their inputs turn out to be the same', async () => {
    const make = (name: string): object => ({
      kind: 'command',
      with: {
        argv: ['sh', '-c', `echo same > "$0" # ${name}`, '{output:o}'],
        outputs: { o: { type: 'file', path: 'o' } },
      },
    });
    const check = (of: string): object => ({
      kind: 'command',
      inputs: { i: `${of}.o` },
      with: { argv: ['sh', '-c', 'cat "$0" >> log.txt', '{input:i}'] },
    });
    await cli.write('w.json', {
      name: 'w',
      stages: { a: make('a'), b: make('b'), 'check-a': check('a'), 'check-b': check('b') },
    });
    const all = (state: string): object => ({ a: state, b: state, 'check-a': state, 'check-b': state });
    expect(await states()).toEqual(all('succeeded'));
    expect(await log()).toBe('same\nsame\n');
    expect(await states()).toEqual(all('cached'));
  });
});

describe('replicates with one key', () => {
  const draws = (...more: readonly unknown[]): object => ({
    name: 'w',
    stages: {
      repeat: {
        kind: 'command',
        forEach: ['r1', 'r2', 'r3'],
        with: {
          argv: ['sh', '-c', 'date +%N > "$0"', '{output:o}', ...more],
          outputs: { o: { type: 'file', path: 'o' } },
        },
      },
    },
  });

  it.each(['validate', 'plan', 'run'])('are told by %s, once, with the place and the way out', async (command) => {
    await cli.write('w.json', draws());
    const { stderr, exitCode } = await cli.run(command, 'w.json');
    expect(exitCode).toBe(0);
    expect(stderr.match(/HG1505/g)).toHaveLength(1);
    expect(stderr).toContain('repeat[r1], repeat[r2], repeat[r3] are the same work: it is done once');
    expect(stderr).toContain('{"$key": true}');
  });

  it('are several samples the way that is told', async () => {
    await cli.write('w.json', draws({ $key: true }));
    expect((await cli.run('validate', 'w.json')).stderr).toBe('');
    expect(Object.values(await states())).toEqual(['succeeded', 'succeeded', 'succeeded']);
  });
});

describe('the seed and the threads of a workflow', () => {
  const command = (script: string, more: object, ...args: readonly unknown[]): object => ({
    kind: 'command',
    ...more,
    with: { argv: ['sh', '-c', script, '{output:o}', ...args], outputs: { o: { type: 'file', path: 'x' } } },
  });

  it('run only those commands again that name them', async () => {
    await cli.write('w.json', {
      name: 'w',
      params: { seed: 1, threads: 1 },
      stages: {
        convert: command('echo 1 > $0', {}),
        train: command('echo $1 > $0', { inputs: { i: 'convert.o' } }, { $param: 'seed' }),
        named: command('echo 2 > $0', { seed: { $param: 'seed' } }),
      },
    });
    await states();
    expect(await states('--set', 'seed=2')).toEqual({ convert: 'cached', train: 'succeeded', named: 'succeeded' });
    expect(await states('--set', 'seed=2', '--set', 'threads=2')).toEqual({
      convert: 'cached',
      train: 'cached',
      named: 'cached',
    });
    const explained = await cli.run('explain', 'train');
    expect(explained.stdout).not.toContain('/seed');
  });
});
