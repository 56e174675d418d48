// A run that ended well is remembered with all that it looked at, and an equal call is told from that. A planted
// name in what is remembered shows which of the two happened; whatever else changed in between must be looked at anew.
import { createHash } from 'node:crypto';
import { appendFile, chmod, cp, mkdir, readFile, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CommandLine } from '../support/command-line.ts';
import { WORKFLOW } from './settling-workflow.ts';

const PLANTED = 'told from what is remembered';
/** Longer than one tick of a file system's clock, within which a change cannot be told from none. */
const SETTLING_MS = 80;

/** The stages with records of their own. */
const WORKING = ['copy', 'count', 'gate', 'published', 'extra'];
/** A program of the project. */
const SLOW = './slow.sh';
const PART = {
  stages: { extra: { kind: 'command', with: { argv: ['true'], outputs: {}, files: ['data/a.txt'] } } },
};

/** Where the workflow has run once: others get a copy of its store. */
let ran: CommandLine;
let cli: CommandLine;
beforeAll(async () => {
  ran = await inNewProject();
  expect((await ran.run('run', 'workflow.json')).exitCode).toBe(0);
});
afterAll(() => ran.remove());
beforeEach(async () => {
  cli = await inNewProject();
});
afterEach(() => cli.remove());

async function inNewProject(): Promise<CommandLine> {
  const cli = await CommandLine.inNewFolder();
  await mkdir(join(cli.root, 'data/nested'), { recursive: true });
  await cli.write('data/a.txt', 'first\n');
  await cli.write('data/nested/b.txt', 'second\n');
  await cli.write('job.mjs', "import './extra.mjs';\n");
  await cli.write('workflow.json', WORKFLOW);
  await cli.write('part.json', PART);
  await cli.write('params.json', { word: 'one' });
  return cli;
}

const at = (...names: readonly string[]): string => join(cli.root, ...names);

/** Runs with nothing to do, which is remembered, and plants the name. */
async function settle(...options: readonly string[]): Promise<void> {
  await cp(join(ran.root, '.headgate'), at('.headgate'), { recursive: true });
  await rm((await settledFile()) ?? '');
  await wait(SETTLING_MS);
  await cli.run('run', 'workflow.json', ...options);
  await plant();
}

async function settledFile(): Promise<string | undefined> {
  const name = (await readdir(at('.headgate/latest')).catch(() => [])).find((file) => file.endsWith('.settled'));
  return name === undefined ? undefined : at('.headgate/latest', name);
}

async function plant(): Promise<void> {
  const path = await settledFile();
  if (path === undefined) throw new Error('nothing is remembered');
  const text = await readFile(path, 'utf8');
  const body = text.slice(text.indexOf('\n') + 1).replace('"name":"settles"', `"name":"${PLANTED}"`);
  await writeFile(path, `${createHash('sha256').update(body).digest('hex')}\n${body}`);
}

interface Told {
  readonly name: string;
  readonly stages: readonly { readonly id: string; readonly state: string }[];
}

async function told(...options: readonly string[]): Promise<Told & { readonly exitCode: number | null }> {
  const { exitCode, stdout, stderr } = await cli.run('run', 'workflow.json', '--json', ...options);
  expect(stderr).toBe('');
  return { ...(JSON.parse(stdout) as Told), exitCode };
}

const ranIn = ({ stages }: Told): readonly string[] =>
  stages.filter(({ state }) => state !== 'cached').map(({ id, state }) => `${id} ${state}`);

test('an equal call is told again: same stages, same files, a journal of its own, and status knows it', async () => {
  await settle();
  const first = await told();
  const second = await told();
  expect([first.name, first.exitCode, ranIn(first)]).toEqual([PLANTED, 0, []]);
  expect(second).toMatchObject({ name: PLANTED, stages: first.stages.map(({ id, state }) => ({ id, state })) });
  const { files, run } = JSON.parse((await cli.run('run', 'workflow.json', '--json')).stdout) as {
    readonly files: readonly { readonly path: string }[];
    readonly run: string;
  };
  expect(files.map(({ path }) => path)).toEqual(['.headgate/out/settles/published.out.txt']);
  const status = JSON.parse((await cli.run('status', '--json')).stdout) as { run: string; finished: object };
  expect(status).toMatchObject({ run, finished: { outcome: 'succeeded' } });
});

test('what is told again is what looking anew tells, but for names and times', async () => {
  await settle();
  const again = await cli.run('run', 'workflow.json');
  await rm((await settledFile()) ?? '');
  const anew = await cli.run('run', 'workflow.json');
  const lines = ({ stdout }: typeof anew): readonly string[] =>
    stdout.split('\n').map((line) => line.replace(/^\s*\d+:\d+ |in [\d.]+ m?s|run \d{8}-\S+|[\d.]+ m?s$/g, ''));
  expect(lines(again).map((line) => line.replace(PLANTED, 'settles'))).toEqual(lines(anew));
});

const changes: readonly {
  readonly what: string;
  readonly change: () => Promise<unknown>;
  readonly options?: readonly string[];
  /** Stages that must run; none where only the look is owed. */
  readonly ran: readonly string[];
}[] = [
  {
    what: 'a file was edited',
    change: () => appendFile(at('data/a.txt'), 'more\n'),
    ran: ['copy succeeded', 'count succeeded', 'gate succeeded', 'published succeeded', 'extra succeeded'],
  },
  {
    what: 'a file has other bytes of the same number and its time was set back',
    change: async () => {
      await writeFile(at('data/nested/b.txt'), 'SECOND\n');
      await utimes(at('data/nested/b.txt'), 1, 1);
    },
    ran: ['copy succeeded'],
  },
  {
    what: 'a folder has a new file, two levels down',
    change: () => writeFile(at('data/nested/c.txt'), ''),
    ran: ['copy succeeded'],
  },
  {
    what: 'a folder has one file less',
    change: () => rm(at('data/nested/b.txt')),
    ran: ['copy succeeded'],
  },
  {
    what: 'a module that a script imports has come to be',
    change: () => writeFile(at('extra.mjs'), ''),
    ran: ['copy succeeded'],
  },
  { what: 'a file was touched', change: () => utimes(at('data/a.txt'), 1, 1), ran: [] },
  { what: 'the workflow has other white space', change: () => appendFile(at('workflow.json'), '\n'), ran: [] },
  {
    what: 'an included file names another file',
    change: () => cli.write('part.json', JSON.stringify(PART).replace('data/a.txt', 'data/nested/b.txt')),
    ran: ['extra succeeded'],
  },
  {
    what: 'a parameter is set',
    change: () => Promise.resolve(),
    options: ['--set', 'word=two'],
    ran: ['copy succeeded', 'count succeeded', 'published succeeded'],
  },
  {
    what: 'an action record is gone',
    change: () => rm(at('.headgate/actions'), { recursive: true }),
    ran: ['copy succeeded', 'count succeeded', 'gate succeeded', 'published succeeded', 'extra succeeded'],
  },
  {
    what: 'an object is damaged',
    change: async () => {
      const digest = createHash('sha256').update('first\none\n').digest('hex');
      const path = at('.headgate/objects', digest.slice(0, 2), digest);
      await rm(path);
      await writeFile(path, 'fIrst\none\n');
    },
    ran: ['copy succeeded'],
  },
  {
    what: 'a gate was overridden',
    change: () => cli.run('override', 'gate', 'few', '--who', 'Ann', '--why', 'to see'),
    ran: ['gate succeeded', 'published not-taken'],
  },
  {
    what: 'a stage is forced',
    change: () => Promise.resolve(),
    options: ['--force', 'extra'],
    ran: ['extra succeeded'],
  },
  {
    what: 'what is remembered is torn',
    change: async () => truncate((await settledFile()) ?? '', 900),
    ran: [],
  },
];

test.each(changes)('all is looked at anew when $what', async ({ change, options = [], ran }) => {
  await settle();
  expect((await told()).name).toBe(PLANTED);
  await change();
  const after = await told(...options);
  expect([after.name, after.exitCode, ranIn(after).toSorted()]).toEqual(['settles', 0, ran.toSorted()]);
});

test('a file that was delivered and is gone is put there again', async () => {
  await settle();
  await rm(at('.headgate/out/settles/published.out.txt'));
  expect((await told()).name).toBe('settles');
  expect(await readFile(at('.headgate/out/settles/published.out.txt'), 'utf8')).toBe('first\none\n');
});

test('a parameter file with other content is another call, even under the same name', async () => {
  await settle('--params', 'params.json');
  expect((await told('--params', 'params.json')).name).toBe(PLANTED);
  await cli.write('params.json', { word: 'two' });
  expect(ranIn(await told('--params', 'params.json'))).toContain('copy succeeded');
});

test('a run that worked is remembered too: the first one after it that has nothing to do is told from it', async () => {
  const done = await told();
  expect(new Set(ranIn(done))).toEqual(new Set(WORKING.map((id) => `${id} succeeded`)));
  await plant();
  const again = await told();
  expect([again.name, again.exitCode, ranIn(again)]).toEqual([PLANTED, 0, []]);
  await rm((await settledFile()) ?? '');
  const anew = await told();
  expect(anew.name).toBe('settles');
  const of = ({ stages }: Told) =>
    Object.fromEntries(stages.map((stage) => [stage.id, { ...stage, startedAt: undefined, milliseconds: undefined }]));
  expect(of(again)).toEqual(of(anew));
});

test('after an edit only what follows from it runs, and the run after that is told again', async () => {
  await settle();
  await appendFile(at('data/a.txt'), 'more\n');
  await wait(SETTLING_MS);
  expect(ranIn(await told())).toContain('copy succeeded');
  await plant();
  expect((await told()).name).toBe(PLANTED);
});

test('a gate that a person overrode while a run worked is not told from that run', async () => {
  await cli.write('workflow.json', {
    ...WORKFLOW,
    stages: { ...WORKFLOW.stages, last: { kind: 'command', after: 'gate:many', with: { argv: [SLOW], outputs: {} } } },
  });
  await cli.write('slow.sh', `#!/bin/sh\ncp -r prepared/. .headgate/\n`);
  await chmod(at('slow.sh'), 0o755);
  await mkdir(at('prepared/overrides'), { recursive: true });
  await cli.write('prepared/overrides/x.json', '{}');
  expect((await cli.run('run', 'workflow.json')).exitCode).toBe(0);
  await plant();
  expect((await told()).name).toBe('settles');
});

test('nothing is remembered of a workflow that reads the environment, nor of a run that failed', async () => {
  const bad = { kind: 'command', with: { argv: ['false'], outputs: {} } };
  await cli.write('workflow.json', { name: 'settles', stages: { bad } });
  await wait(SETTLING_MS);
  for (let call = 0; call < 2; call++) expect((await cli.run('run', 'workflow.json')).exitCode).toBe(1);
  expect(await settledFile()).toBeUndefined();
  const stage = { kind: 'command', with: { argv: ['true'], outputs: {}, env: { HOME: { from: 'HOME' } } } };
  await cli.write('workflow.json', { name: 'settles', stages: { stage } });
  await wait(SETTLING_MS);
  for (let call = 0; call < 3; call++) expect((await cli.run('run', 'workflow.json')).exitCode).toBe(0);
  expect(await settledFile()).toBeUndefined();
});
