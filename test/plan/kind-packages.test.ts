// Stage kinds from packages: found, checked with places, and never allowed to stand for one of headgate's own.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import { stageOf } from './plan-of.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-kinds-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const kind = {
  kind: 'acme/scale',
  summary: 'multiplies a number',
  settings: {
    type: 'object',
    additionalProperties: false,
    properties: { by: { type: 'number' }, table: { type: 'string' } },
  },
  inputs: { in: { type: 'file' }, more: { type: 'file', arity: 'collect' }, extra: { type: 'any', arity: 'optional' } },
  outputs: { out: { type: 'metrics' } },
  resources: { license: 1 },
  files: ['table'],
  job: { argv: ['node', './job.js', '--fast'] },
};

async function write(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
}

async function install(folder: string, declared: unknown = kind, manifest: object = {}): Promise<void> {
  const name = folder.replace(/^.*node_modules\//, '');
  await write(`${folder}/package.json`, { name, headgate: { kinds: ['./scale.kind.json'] }, ...manifest });
  await write(`${folder}/scale.kind.json`, declared);
  await write(`${folder}/job.js`, '// the program');
  await write(`${folder}/node_modules/dependency/index.js`, '// not keyed');
}

async function load(stage: object = { kind: 'acme/scale' }, kinds: readonly unknown[] = ['scale']) {
  const made = { kind: 'command', with: { argv: ['true'], outputs: { out: { type: 'file', path: 'out' } } } };
  await write('w.json', {
    name: 'w',
    kinds,
    stages: { made, scaled: { inputs: { in: 'made.out', more: { collect: { a: 'made.out' } } }, ...stage } },
  });
  return loadWorkflow(join(root, 'w.json'), { root });
}

async function problems(...given: Parameters<typeof load>): Promise<readonly string[]> {
  const loaded = await load(...given);
  return loaded.ok
    ? []
    : loaded.error.map(({ code, file, line, message }) => `${code} ${file.slice(root.length + 1)}:${line} ${message}`);
}

test('a stage of the kind is planned with its program, code, files and tokens', async () => {
  await install('node_modules/scale');
  await write('table.csv', '1');
  const loaded = await load({ kind: 'acme/scale', with: { by: 2, table: 'table.csv' } });
  expect(loaded).toMatchObject({ ok: true });
  if (!loaded.ok) return;
  const folder = join(root, 'node_modules/scale');
  expect(stageOf(loaded.value, 'scaled')).toMatchObject({
    runsOn: 'program',
    settings: { by: 2 },
    seed: 0,
    resources: { cpu: 1, license: 1 },
    program: { argv: [process.execPath, join(folder, 'job.js'), '--fast'], declared: ['node', './job.js', '--fast'] },
    files: [
      { name: 'table', path: 'table.csv' },
      { name: 'scale/job.js', path: join(folder, 'job.js'), code: true },
      { name: 'scale/package.json', code: true },
      { name: 'scale/scale.kind.json', code: true },
    ],
  });
});

test('a reason that the kind declares may be named in retry.on, and no other of its own', async () => {
  const reasons = { 'x-busy': { meaning: 'All seats are taken.', remedy: 'Wait for a seat.', mayPass: true } };
  const retrying = (word: string): object => ({ kind: 'acme/scale', retry: { attempts: 2, on: [word] } });
  await install('node_modules/scale', { ...kind, reasons });
  const loaded = await load(retrying('job-failed:x-busy'));
  expect(loaded.ok && stageOf(loaded.value, 'scaled')).toMatchObject({
    retryRules: { on: ['job-failed:x-busy'] },
    ownReasons: reasons,
  });
  expect(await problems(retrying('job-failed:x-bus'))).toEqual([
    expect.stringMatching(/^HG1114 w\.json:\d+ "on" cannot be "job-failed:x-bus"$/),
  ]);
  await install('node_modules/scale', { ...kind, reasons: { busy: reasons['x-busy'] } });
  expect(await problems(undefined)).toEqual([expect.stringMatching(/^HG1116 .*"busy" cannot be a name in "reasons"/)]);
});

test('an included file brings its packages along, named once or twice', async () => {
  await install('node_modules/scale');
  await write('parts/scaled.json', { kinds: ['scale'] });
  const made = { kind: 'command', with: { argv: ['true'], outputs: { out: { type: 'file', path: 'out' } } } };
  const inputs = { in: 'made.out', more: { collect: { a: 'made.out' } } };
  const stages = { made, scaled: { kind: 'acme/scale', inputs } };
  for (const own of [{}, { kinds: ['scale'] }]) {
    await write('w.json', { name: 'w', include: ['parts/scaled.json'], ...own, stages });
    expect(await loadWorkflow(join(root, 'w.json'), { root })).toMatchObject({ ok: true });
  }
});

test('a package is found above the workflow’s folder, under a scope, and by a path inside the root', async () => {
  await install('node_modules/@acme/scale');
  expect(await problems(undefined, ['@acme/scale'])).toEqual([]);
  await install('kinds/own');
  expect(await problems(undefined, ['./kinds/own'])).toEqual([]);
});

test('the same kind is planned twice in one process, with an edit in between', async () => {
  const withId = { ...kind, settings: { ...kind.settings, $id: 'https://acme.example/scale' } };
  await install('node_modules/scale', withId);
  expect(await problems()).toEqual([]);
  await install('node_modules/scale', { ...withId, summary: 'multiplies' });
  expect(await problems()).toEqual([]);
});

describe('what is wrong is told at its place', () => {
  test.each([
    ['an unknown package', ['scal'], 'HG1601 w.json:4 there is no package "scal" here'],
    ['a path that climbs out of the root', ['./../outside'], 'HG1601 w.json:4 there is no package "./../outside" here'],
    ['an absolute path', ['/etc'], 'HG1602 w.json:4 "/etc" is not the name of a package'],
    ['a name that climbs', ['../scale'], 'HG1602 w.json:4 "../scale" is not the name of a package'],
    ['what is no name', [7], 'HG1113 w.json:4 "kinds"[0] must be a string, not 7'],
  ])('%s', async (_, kinds, expected) => {
    await install('node_modules/scale');
    expect(await problems(undefined, kinds)).toEqual([expected]);
  });

  test.each([
    [
      'a kind of headgate’s own',
      { ...kind, kind: 'train' },
      'HG1605 node_modules/scale/scale.kind.json:2 there is a stage kind "train" already: headgate\'s own',
    ],
    [
      'a schema that is none',
      { ...kind, files: [], settings: { type: 'objekt' } },
      /HG1606 node_modules\/scale\/scale\.kind\.json:4 "settings" is not a JSON Schema/,
    ],
    [
      'a schema on another machine',
      { ...kind, files: [], settings: { $ref: 'https://acme.example/s.json' } },
      /HG1606 .*can't resolve reference/,
    ],
    [
      'a program that is not there',
      { ...kind, job: { argv: ['node', './jobb.js'] } },
      /HG1607 .*the package has no "\.\/jobb\.js"/,
    ],
    [
      'a program outside the package',
      { ...kind, job: { argv: ['node', './../job.js'] } },
      /HG1604 .*"\.\/\.\.\/job\.js" is not a path inside its package/,
    ],
    ['a file setting that is none', { ...kind, files: ['tabel'] }, /HG1608 .*"tabel" is not a property/],
    ['an unknown key', { ...kind, outputz: {} }, /HG1111 .*"outputz" is not a known key of the stage kind/],
    ['text that is no JSON', '{', /HG1005 node_modules\/scale\/scale\.kind\.json:1 this is not JSON/],
  ])('%s', async (_, declared, expected) => {
    await install('node_modules/scale', declared);
    const found = await problems();
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  test('a package without kinds, and kind files outside of it', async () => {
    await install('node_modules/scale', kind, { headgate: {} });
    expect(await problems()).toEqual(['HG1603 node_modules/scale/package.json:0 the package declares no stage kinds']);
    await install('node_modules/scale', kind, { headgate: { kinds: ['../other/scale.kind.json'] } });
    expect((await problems())[0]).toMatch(/HG1604 node_modules\/scale\/package\.json:\d+ "\.\.\/other/);
  });

  test('two packages with one kind', async () => {
    await install('node_modules/scale');
    await install('node_modules/other');
    expect(await problems(undefined, ['scale', 'other'])).toEqual([
      'HG1605 node_modules/other/scale.kind.json:2 there is a stage kind "acme/scale" already: of package "scale"',
    ]);
  });
});

describe('what a program consists of', () => {
  const codeNames = async (): Promise<readonly string[]> => {
    const loaded = await load();
    return loaded.ok ? stageOf(loaded.value, 'scaled').files.map(({ name }) => name) : [];
  };

  test('is also what links lead to, and dependencies that are links to folders of one’s own', async () => {
    await install('node_modules/scale');
    await write('shared/lib.js', '// behind a link');
    await write('node_modules/.store/node_modules/installed/index.js', '// not keyed');
    const folder = join(root, 'node_modules/scale');
    await symlink(join(root, 'shared/lib.js'), join(folder, 'lib.js'));
    await symlink(join(root, 'shared'), join(folder, 'shared'));
    await symlink(join(root, 'shared'), join(folder, 'node_modules/own'));
    await symlink('../../.store/node_modules/installed', join(folder, 'node_modules/installed'));
    expect(await codeNames()).toEqual(
      ['job.js', 'lib.js', 'node_modules/own/lib.js', 'package.json', 'scale.kind.json', 'shared/lib.js'].map(
        (path) => `scale/${path}`,
      ),
    );
  });

  test('is refused by name where a link leads nowhere or back, and where a name is not UTF-8', async () => {
    await install('node_modules/scale');
    const path = join(root, 'node_modules/scale/lib.js');
    await symlink('nowhere.js', path);
    expect((await problems())[0]).toMatch(/^HG1609 .*lib\.js: it is a link that leads nowhere/);
    await rm(path);
    await symlink('.', path);
    expect((await problems())[0]).toMatch(/^HG1609 .*lib\.js: it leads back into itself/);
    await rm(path);
    await writeFile(Buffer.from(join(root, 'node_modules/scale/caf\xe9.js'), 'latin1'), '');
    expect((await problems())[0]).toMatch(/^HG1609 .*caf\\xe9\.js: its name is not UTF-8/);
  });
});
