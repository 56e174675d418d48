// headgate watch as people use it: a real process beside which files are edited.
import { execFileSync } from 'node:child_process';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CommandLine, type Ended } from '../support/command-line.ts';
import { FifoReader } from '../support/fifo.ts';

interface Told {
  readonly type: string;
  readonly stage?: string;
  readonly files?: readonly string[];
  readonly outcome?: string;
  readonly problems?: readonly { readonly code?: string; readonly message: string }[];
}

let cli: CommandLine;
let started: ReturnType<CommandLine['start']> | undefined;
const told: Told[] = [];
let happened: () => void = () => undefined;

beforeEach(async () => {
  cli = await CommandLine.inNewFolder();
  told.length = 0;
});
afterEach(async () => {
  started?.child.kill('SIGKILL');
  await started?.ended;
  started = undefined;
  await cli.remove();
});

function watch(...args: readonly string[]): void {
  started = cli.start('watch', 'w.json', '--log-format', 'jsonl', ...args);
  let rest = '';
  started.child.stdout?.on('data', (part: string) => {
    const lines = `${rest}${part}`.split('\n');
    rest = lines.pop() ?? '';
    told.push(...lines.map((line) => JSON.parse(line) as Told));
    happened();
  });
}

/** The next event of this kind after those that were waited for before, all kinds together. */
let from = 0;
async function next(type: string): Promise<Told> {
  for (;;) {
    const found = told.findIndex((event, index) => index >= from && event.type === type);
    if (found >= 0) {
      from = found + 1;
      return told[found] as Told;
    }
    await new Promise<void>((resolve) => (happened = resolve));
  }
}
beforeEach(() => {
  from = 0;
});

async function end(signal: NodeJS.Signals = 'SIGINT'): Promise<Ended> {
  started?.child.kill(signal);
  return (await started?.ended) as Ended;
}

const ranSince = (index: number): readonly string[] =>
  told.slice(index).flatMap(({ type, stage }) => (type === 'stage-started' && stage !== undefined ? [stage] : []));
const file = { out: { type: 'file', path: 'result.txt' } };
const copy = (source: string, more: object = {}): object => ({
  kind: 'command',
  with: { argv: ['sh', source, '{output:out}'], files: [source], outputs: file, ...more },
});

test('edits of params, scripts and data each run what reads them, and nothing else', async () => {
  await cli.write('script.sh', 'echo script > "$1"');
  await cli.write('data.txt', 'data');
  await cli.write('p.json', { text: 'from the file' });
  await cli.write('w.json', {
    name: 'demo',
    params: { text: 'default' },
    stages: {
      script: copy('script.sh'),
      data: {
        kind: 'command',
        with: { argv: ['cp', 'data.txt', '{output:out}'], files: ['data.txt'], outputs: file },
      },
      text: {
        kind: 'command',
        with: { argv: ['sh', '-c', 'printf %s "$1" > "$0"', '{output:out}', { $param: 'text' }], outputs: file },
      },
    },
  });
  watch('--params', 'p.json');
  await next('watch-waiting');
  expect([...ranSince(0)].sort()).toEqual(['data', 'script', 'text']);

  const edits: readonly (readonly [string, string, unknown])[] = [
    ['p.json', 'text', { text: 'edited' }],
    ['script.sh', 'script', 'echo edited > "$1"'],
    ['data.txt', 'data', 'edited'],
  ];
  for (const [name, stage, content] of edits) {
    const before = told.length;
    await cli.write(name, content);
    expect(await next('plan-changed')).toMatchObject({ files: [name] });
    await next('watch-waiting');
    expect(ranSince(before)).toEqual([stage]);
  }
  expect(await readFile(join(cli.root, '.headgate/out/demo/text.out.txt'), 'utf8')).toBe('edited');
  await appendFile(join(cli.root, 'w.json'), '\n');
  expect(await next('plan-unchanged')).toMatchObject({ files: ['w.json'] });
  expect((await end()).exitCode).toBe(130);
});

test('an included file is followed as the workflow is, also one that is not there yet', async () => {
  const stage = (text: string): object => ({
    kind: 'command',
    with: { argv: ['sh', '-c', `printf ${text} > "$0"`, '{output:out}'], outputs: file },
  });
  await cli.write('w.json', { name: 'demo', include: ['part.json'], stages: { own: stage('own') } });
  await cli.write('part.json', { stages: { included: stage('a') } });
  watch();
  await next('watch-waiting');
  let before = told.length;
  await cli.write('part.json', { stages: { included: stage('b') } });
  expect(await next('plan-changed')).toMatchObject({ files: ['part.json'] });
  await next('watch-waiting');
  expect(ranSince(before)).toEqual(['included']);

  await cli.write('w.json', { name: 'demo', include: ['part.json', 'more.json'], stages: { own: stage('own') } });
  expect(await next('plan-refused')).toMatchObject({ files: ['w.json'] });
  before = told.length;
  await cli.write('more.json', { stages: { more: stage('more') } });
  expect(await next('plan-changed')).toMatchObject({ files: ['more.json'] });
  await next('watch-waiting');
  expect(ranSince(before)).toEqual(['more']);
});

test('with --poll edits are noticed without being told by the file system', async () => {
  await cli.write('w.json', { name: 'demo', stages: { only: copy('a.sh') } });
  await cli.write('a.sh', 'echo a > "$1"');
  watch('--poll');
  await next('watch-waiting');
  await cli.write('a.sh', 'echo edited > "$1"');
  expect(await next('plan-changed')).toMatchObject({ files: ['a.sh'] });
  await next('watch-waiting');
});

test('a gate that stops the run and a mistake in the file are told, and the next edit goes on from there', async () => {
  const metrics = { metrics: { type: 'metrics', path: 'metrics.json' } };
  const document = (score: number) =>
    `{"format":"headgate-metrics","version":1,"task":"t","primary":"s","values":{"s":${score}},"units":{"s":"fraction"},"higherIsBetter":{"s":true}}`;
  const workflow = (score: number) => ({
    name: 'demo',
    stages: {
      check: {
        kind: 'command',
        with: { argv: ['sh', '-c', 'printf %s "$1" > "$0"', '{output:metrics}', document(score)], outputs: metrics },
      },
      gate: {
        kind: 'gate',
        inputs: { metrics: 'check.metrics' },
        cases: [
          { name: 'pass', criteria: [{ metric: 'primary', atLeast: 0.9 }] },
          { name: 'short', else: true },
        ],
      },
      give_up: { kind: 'stop', after: 'gate:short', with: { reason: 'Too far from float.' } },
    },
  });
  await cli.write('w.json', workflow(0.5));
  watch();
  expect(await next('run-finished')).toMatchObject({ outcome: 'stopped' });
  await cli.write('w.json', { ...workflow(0.5), stage: {} });
  expect(await next('plan-refused')).toMatchObject({ files: ['w.json'], problems: [{ code: 'HG1111' }] });
  await cli.write('w.json', workflow(0.95));
  expect(await next('run-finished')).toMatchObject({ outcome: 'succeeded' });
});

test('an interrupt stops the running job, ends with 130, and resume goes on with the newest run', async () => {
  const fifo = await FifoReader.make(join(cli.root, 'fifo'));
  const slow = (note: string) => ({
    name: 'demo',
    stages: {
      slow: {
        kind: 'command',
        with: {
          argv: [
            process.execPath,
            '-e',
            `const fs = require('fs'); // ${note}
            if (fs.existsSync('fifo')) { fs.writeFileSync('fifo', '${note}'); setInterval(() => {}, 1000); }
            else fs.writeFileSync(process.argv[1], '${note}');`,
            '{output:out}',
          ],
          outputs: file,
        },
      },
    },
  });
  await cli.write('w.json', slow('first'));
  watch();
  expect(await fifo.read()).toBe('first');
  await cli.write('w.json', slow('second'));
  expect(await fifo.read()).toBe('second');
  expect((await end()).exitCode).toBe(130);
  const outcomes = told.flatMap(({ type, outcome }) => (type === 'run-finished' ? [outcome] : []));
  expect(outcomes).toEqual(['superseded', 'interrupted']);
  execFileSync('rm', [fifo.path]);
  expect((await cli.run('resume')).exitCode).toBe(0);
  expect(await readFile(join(cli.root, '.headgate/out/demo/slow.out.txt'), 'utf8')).toBe('second');
  expect((await cli.run('resume')).stderr).toContain('there is no unfinished run');
});

test('for people it says in one line what changed and what becomes of it', async () => {
  await cli.write('w.json', { name: 'demo', stages: { only: copy('a.sh') } });
  await cli.write('a.sh', 'echo a > "$1"');
  started = cli.start('watch', 'w.json');
  let seen = '';
  const until = (words: string): Promise<void> =>
    new Promise((resolve) => {
      started?.child.stdout?.on('data', (part: string) => {
        seen += part;
        if (seen.includes(words)) resolve();
      });
    });
  await until('waiting for changes of 2 files; Ctrl-C ends');
  const changed = until('a.sh changed: planned again');
  await cli.write('a.sh', 'echo b > "$1"');
  await changed;
  const { exitCode, stdout } = await end();
  expect(exitCode).toBe(130);
  expect(stdout).toMatch(/^watching w\.json\n/);
});

test('a file that is not there, or an option that makes no sense, is no watch', async () => {
  expect(await cli.run('watch', 'none.json')).toMatchObject({ exitCode: 2 });
  await cli.write('w.json', { name: 'demo', stages: {} });
  expect((await cli.run('watch', 'w.json', '--jobs', '0')).exitCode).toBe(2);
});
