// What a job reads is what was made, under the name that it was made under; and what one job does to its inputs is no other's
// trouble.
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Engine, ofType, type Finished } from '../support/engine.ts';
import { plan, stage } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

/** A shell script as a stage: its inputs as $0, $1, …, then its output, which it must write. */
function sh(id: string, code: string, inputs: { readonly [port: string]: string } = {}, path = 'out') {
  const places = Object.keys(inputs).map((port) => `{input:${port}}`);
  const settings = { argv: ['sh', '-euc', code, ...places, '{output:out}'], outputs: { out: { type: 'file', path } } };
  return stage(id, 'command', { settings, inputs, outputs: { out: 'file' }, runsOn: 'command' });
}

async function textOf(run: Finished, id: string): Promise<string> {
  const digest = ofType(run.events, 'stage-succeeded').findLast((event) => event.stage === id)?.outputs['out']?.digest;
  if (digest === undefined) throw new Error(`${id} made nothing`);
  return readFile(join(engine.root, '.headgate/objects', digest.slice(0, 2), digest), 'utf8');
}

const failureOf = ({ events }: Finished, id: string) =>
  ofType(events, 'stage-failed').find((event) => event.stage === id)?.failure;

const folder = sh('folder', 'mkdir $0; for i in 1 2 3 4; do echo $i > $0/f$i; done');
const sum = sh('sum', 'sleep 0.6; cat $0/* > $1', { in: 'folder.out' });

describe('a folder that one job changes while another reads it', () => {
  test.each([
    ['removes a file', 'rm $0/f1; echo x > $1'],
    ['adds a file', 'echo 5 > $0/f5; echo x > $1'],
    ['adds an empty folder', 'mkdir $0/more; echo x > $1'],
    ['renames a file', 'mv $0/f1 $0/f9; echo x > $1'],
    ['replaces a file', 'rm $0/f1; echo 9 > $0/f1; echo x > $1'],
    ['turns a file into a link', 'rm $0/f1; ln -s f2 $0/f1; echo x > $1'],
    ['adds a file beside the folder', 'echo 5 > $0.cache; mv $0.cache $0/; echo x > $1'],
  ])('is that job’s own: it %s, fails by name, and the other reads what was made', async (_, code) => {
    const run = await engine.run(plan([folder, sh('writer', code, { in: 'folder.out' }), sum]), {
      jobs: 3,
      keepGoing: true,
    });
    expect(run.states).toEqual({ folder: 'succeeded', writer: 'failed', sum: 'succeeded' });
    expect(failureOf(run, 'writer')).toMatchObject({ reason: 'input-modified', port: 'in', from: 'folder.out' });
    expect(await textOf(run, 'sum')).toBe('1\n2\n3\n4\n');
    expect(ofType(run.events, 'stage-retried')).toEqual([]);
  });

  test.each([
    ['plainly', 'echo 9 > $0/f1'],
    ['with its time set back', 'touch -r $0/f1 $1.time; echo 9 > $0/f1; touch -r $1.time $0/f1'],
  ])(
    'in place, %s, is void for all that had it; on copies the writer fails and the others succeed',
    async (_, code) => {
      const writer = sh('writer', `chmod u+w $0/f1; ${code}; sleep 0.2; echo x > $1`, { in: 'folder.out' });
      const run = await engine.run(plan([folder, writer, sum]), { jobs: 3, keepGoing: true });
      expect(run.states).toEqual({ folder: 'succeeded', writer: 'failed', sum: 'succeeded' });
      expect(failureOf(run, 'writer')).toMatchObject({ reason: 'input-modified' });
      expect(await textOf(run, 'sum')).toBe('1\n2\n3\n4\n');
      expect(ofType(run.events, 'object-quarantined')).toHaveLength(1);
      expect(ofType(run.events, 'stage-retried').map(({ failure }) => failure.reason)).toContain('input-changed');
    },
  );

  test('only by its permissions, does no harm: both run again on copies and succeed', async () => {
    const writer = sh('writer', 'chmod u+w $0/f1; sleep 0.2; echo x > $1', { in: 'folder.out' });
    const run = await engine.run(plan([folder, writer, sum]), { jobs: 3, keepGoing: true });
    expect(run.states).toEqual({ folder: 'succeeded', writer: 'succeeded', sum: 'succeeded' });
    expect(await textOf(run, 'sum')).toBe('1\n2\n3\n4\n');
  });
});

describe('an artifact comes to its reader as it was made', () => {
  const show =
    'cd $0; find . | sort > $1; ls -l | cut -c1-10 >> $1; for l in $(find . -type l | sort); do readlink $l >> $1; done';

  test('under the name that its maker gave it', async () => {
    const run = await engine.run(
      plan([
        sh('table', 'echo a,b > $0', {}, 'deep/er/table.csv'),
        sh('name', 'basename $0 > $1', { in: 'table.out' }),
      ]),
    );
    expect(await textOf(run, 'name')).toBe('table.csv\n');
  });

  test('as a program that can be run; a file of the same bytes that cannot be run is another input', async () => {
    const made = (mode: string) => sh('made', `printf '#!/bin/sh\\necho hi\\n' > $0; chmod ${mode} $0`);
    const use = sh('use', 'if test -x $0; then $0 > $1; else echo no program > $1; fi', { in: 'made.out' });
    expect(await textOf(await engine.run(plan([made('755'), use])), 'use')).toBe('hi\n');
    expect(await textOf(await engine.run(plan([made('644'), use])), 'use')).toBe('no program\n');
    expect((await engine.run(plan([made('755'), use]))).states).toEqual({ made: 'cached', use: 'cached' });
  });

  test('with its empty folders, its programs and its links, in any order of names', async () => {
    const made = sh(
      'made',
      'mkdir -p $0/a/b $0/z; cd $0; ln -s z/file A; ln -s ../z a/to-folder; echo 1 > z/file; echo 2 > run; chmod +x run; ln -s run b-link',
    );
    const run = await engine.run(plan([made, sh('shown', show, { in: 'made.out' })]));
    const text = await textOf(run, 'shown');
    for (const name of ['./a/b', './a/to-folder', './A', './z/file', './b-link']) expect(text).toContain(`${name}\n`);
    expect(text).toMatch(/^-r.xr/m);
    expect(text.split('\n').slice(-4, -1)).toEqual(['z/file', '../z', 'run']);
    expect((await engine.run(plan([made]))).states).toEqual({ made: 'cached' });
  });

  test('with an absolute link that stays inside, made relative', async () => {
    const made = sh('made', 'mkdir $0; echo 1 > $0/a; ln -s $0/a $0/b');
    const run = await engine.run(plan([made, sh('read', 'cat $0/b > $1', { in: 'made.out' })]));
    expect(await textOf(run, 'read')).toBe('1\n');
  });
});

describe('an output that cannot be kept fails its stage alone', () => {
  test.each([
    ['a link out of it', 'mkdir $0; ln -s ../elsewhere $0/link; mkdir $0/../elsewhere', 'output-escapes'],
    ['an absolute link', 'mkdir $0; ln -s /etc $0/link', 'output-escapes'],
    ['a link to nothing', 'mkdir $0; ln -s nothing $0/link', 'output-escapes'],
    ['links in a circle', 'mkdir $0; ln -s b $0/a; ln -s a $0/b', 'output-escapes'],
    ['a way out and back in', 'mkdir $0; echo 1 > $0/a; ln -s ../out/a $0/link', 'output-escapes'],
    ['a pipe', 'mkdir $0; mkfifo $0/pipe', 'output-unusable'],
    ['a name that is not UTF-8', `mkdir $0; echo 1 > "$0/$(printf 'caf\\351')"`, 'output-unusable'],
  ])('%s', async (_, code, reason) => {
    const other = sh('other', 'sleep 0.3; echo ok > $0');
    const run = await engine.run(plan([sh('bad', code), other]), { jobs: 2, keepGoing: true });
    expect(run.states).toEqual({ bad: 'failed', other: 'succeeded' });
    expect(failureOf(run, 'bad')).toMatchObject({ reason, port: 'out' });
  });
});

test('what the system refuses while a record is written is that stage’s failure; others go on, and no claim is left', async () => {
  await mkdir(join(engine.root, '.headgate'), { recursive: true });
  await writeFile(join(engine.root, '.headgate/actions'), 'a file where a folder belongs');
  const run = await engine.run(plan([sh('one', 'echo 1 > $0'), sh('two', 'echo 2 > $0')]), { keepGoing: true });
  expect(run.outcome.exitCode).toBe(1);
  expect(run.states).toEqual({ one: 'failed', two: 'failed' });
  expect(failureOf(run, 'one')).toMatchObject({ reason: 'machine-problem' });
  expect(await readdir(join(engine.root, '.headgate/claims'))).toEqual([]);
});

test('the folder of inputs goes when its job has ended', async () => {
  const run = await engine.run(plan([folder, sum]));
  const job = join(engine.root, '.headgate/runs', run.outcome.run, 'jobs/sum/1');
  expect(await readdir(job)).toEqual(expect.not.arrayContaining(['in']));
});
