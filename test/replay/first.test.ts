// A store and its journals as the program at commit 9006e88 wrote them (first/README.md), read by the present one.
import { cp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CommandLine } from '../support/command-line.ts';

const first = join(import.meta.dirname, 'first');

interface ToldStage {
  readonly state: string;
  readonly key?: string;
  readonly case?: string;
  readonly outputs?: { readonly [port: string]: string };
}

interface ToldRun {
  readonly run: string;
  readonly workflow: string;
  readonly params: { readonly [name: string]: unknown };
  readonly outcome: string | null;
  readonly exitCode: number | null;
  readonly counts: { readonly [state: string]: number };
  readonly stages: { readonly [id: string]: ToldStage };
}

interface Stage {
  readonly id: string;
  readonly state: string;
  readonly key?: string;
  readonly verdict?: { readonly case?: string };
  readonly outputs?: { readonly [port: string]: { readonly digest: string } };
}

interface Status {
  readonly run: string;
  readonly workflow: string;
  readonly params: unknown;
  readonly stages: readonly Stage[];
}

const told = JSON.parse(await readFile(join(first, 'told.json'), 'utf8')) as readonly ToldRun[];
const newest = told.at(-1)?.run ?? '';
const killed = told[0]?.run ?? '';

let cli: CommandLine;

beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  await cp(join(first, 'project'), cli.root, { recursive: true });
  await cp(join(first, 'headgate'), join(cli.root, '.headgate'), { recursive: true });
});

afterEach(() => cli.remove());

async function json(...args: readonly string[]): Promise<unknown> {
  const ended = await cli.run(...args, '--json');
  expect(ended.stderr).toBe('');
  return JSON.parse(ended.stdout);
}

/** What `status` says, in the form that the first program's answers are kept in. */
function shortened({ stages }: Status): { readonly [id: string]: ToldStage } {
  return Object.fromEntries(
    stages.map(({ id, state, key, verdict, outputs = {} }) => [
      id,
      {
        state,
        ...(key === undefined ? {} : { key }),
        ...(verdict?.case === undefined ? {} : { case: verdict.case }),
        ...(Object.keys(outputs).length === 0
          ? {}
          : { outputs: Object.fromEntries(Object.entries(outputs).map(([port, { digest }]) => [port, digest])) }),
      },
    ]),
  );
}

/** Each stage that ran in the newest run, with what it ran for. */
async function ranInNewest(): Promise<readonly string[]> {
  const status = (await json('status')) as Status;
  return status.stages.flatMap(({ id, state }) => (state === 'succeeded' ? [id] : []));
}

describe('a store that the first program wrote', () => {
  it('lists its runs with their ends', async () => {
    const runs = (await json('runs')) as readonly (Omit<ToldRun, 'outcome'> & { readonly outcome?: string })[];
    const listed = runs.map(({ run, outcome, exitCode, counts }) => [run, outcome ?? null, exitCode ?? null, counts]);
    expect(listed.reverse()).toEqual(
      told.map(({ run, outcome, exitCode, counts }) => [run, outcome, exitCode, counts]),
    );
  });

  it.each(told.map(({ run }) => run))('tells the status of run %s as the first program did', async (run) => {
    const status = (await json('status', run)) as Status;
    const expected = told.find((each) => each.run === run);
    expect(status).toMatchObject({ run, workflow: expected?.workflow, params: expected?.params });
    expect(shortened(status)).toEqual(expected?.stages);
  });

  it('tells what differs between two of its runs', async () => {
    const [before, after] = [told[1], told[4]];
    const diff = await json('diff', before?.run ?? '', after?.run ?? '');
    expect(diff).toMatchObject({ params: [{ pointer: '/least', before: '0.7', after: '0.95' }] });
  });

  it('is run on: commands stay cached, and the one embedded stage runs because the worker is another', async () => {
    const ended = await cli.run('run', 'first.json', '--log-format', 'plain');
    expect(ended.stderr).toBe('');
    expect(ended.exitCode).toBe(0);
    expect(await ranInNewest()).toEqual(['net']);
    const explained = await cli.run('explain', 'net');
    expect(explained.stdout).toMatch(/\/code\/worker [0-9a-f]{12} → [0-9a-f]{12}/);
  });

  it('explains a stage that failed by the edit behind it', async () => {
    const explained = await cli.run('explain', 'publish');
    expect(explained.stderr).toBe('');
    expect(explained.stdout).toContain(`in run ${newest}: failed: the command ended with exit code 1`);
    expect(explained.stdout).toContain('because table → split: /settings/argv/4 "as it was written" → "another"');
  });

  it('has its unfinished run resumed with the parameters of then', async () => {
    await writeFile(join(cli.root, 'go'), '');
    const ended = await cli.run('resume', '--log-format', 'plain');
    expect(ended.stderr).toBe('');
    expect(ended.exitCode).toBe(0);
    const status = (await json('status')) as Status;
    expect(status).toMatchObject({ run: newest, params: { text: 'another' } });
    const states = Object.fromEntries(status.stages.map(({ id, state }) => [id, state]));
    expect(states).toMatchObject({ table: 'cached', split: 'cached', 'measure[day]': 'cached', publish: 'succeeded' });
    expect(await readFile(join(cli.root, '.headgate/out/first/publish.published/deep/er/last'), 'utf8')).toBe(
      'another\n',
    );
  });

  it('has its killed run resumed, its claim taken over and its job done again', async () => {
    await writeFile(join(cli.root, 'go'), '');
    const ended = await cli.run('resume', 'killed.json', '--log-format', 'plain');
    expect(ended.stderr).toBe('');
    expect(ended.exitCode).toBe(0);
    expect((await json('status', killed)) as Status).toMatchObject({
      stages: [
        { id: 'done', state: 'cached' },
        { id: 'long', state: 'succeeded' },
      ],
    });
    expect(await readdir(join(cli.root, '.headgate/claims'))).toEqual([]);
  });

  it('keeps what a person decided in place of a gate', async () => {
    const ended = await cli.run('run', 'first.json', '--set', 'least=0.95', '--log-format', 'plain');
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout).toContain('good[day] → pass (override of improve by Ann');
  });

  it('is found sound, and a damaged object of it is not used', async () => {
    expect((await cli.run('cache', 'verify')).exitCode).toBe(0);
    const table = told[1]?.stages['table']?.outputs?.['table'] ?? '';
    const object = join(cli.root, '.headgate/objects', table.slice(0, 2), table);
    await rm(object);
    await writeFile(object, 'a,1\nb,2\nas it was writtem\n');
    await utimes(object, 0, 0);
    expect((await cli.run('cache', 'verify')).exitCode).not.toBe(0);
    expect((await cli.run('run', 'first.json', '--log-format', 'plain')).exitCode).toBe(0);
    expect(await ranInNewest()).toEqual(expect.arrayContaining(['table']));
  });
});
