// The user's code in the plan: what a command names and what that imports, under its path from the root.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { Engine, ofType } from '../support/engine.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-code-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function write(files: { readonly [path: string]: string }): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

async function planOf(argv: readonly string[], more: object = {}, copies = 1): Promise<Plan> {
  const stage = { kind: 'command', with: { argv, outputs: { out: { type: 'file', path: 'out' } }, ...more } };
  const stages = Object.fromEntries(Array.from({ length: copies }, (_, index) => [`s${index}`, stage]));
  await write({ 'w.json': JSON.stringify({ name: 'w', stages }) });
  const plan = await loadWorkflow(join(root, 'w.json'), { root });
  if (!plan.ok) throw new Error(plan.error.map(({ code, message }) => `${code} ${message}`).join('\n'));
  return plan.value;
}
const filesOf = async (argv: readonly string[], more: object = {}): Promise<readonly string[]> =>
  ((await planOf(argv, more)).stages[0]?.files ?? []).map(({ name }) => name);

describe('the code of a command', () => {
  test('is a Python script and what it imports from the project, packages and relatives included', async () => {
    await write({
      'scripts/train.py': 'import os, torch\nimport local\nfrom lib.nets import head\nfrom lib import missing',
      'scripts/local.py': 'import train', // a cycle
      'lib/__init__.py': '',
      'lib/nets/__init__.py': 'from . import backbone',
      'lib/nets/head.py': 'from ..losses import focal',
      'lib/nets/backbone.py': '# from .unused import x',
      'lib/nets/unused.py': '',
      'lib/losses.py': '',
      'node_modules/torch/__init__.py': '',
    });
    expect(await filesOf(['python3', 'scripts/train.py', '--epochs=3'])).toEqual([
      'lib/__init__.py',
      'lib/losses.py',
      'lib/nets/__init__.py',
      'lib/nets/backbone.py',
      'lib/nets/head.py',
      'scripts/local.py',
      'scripts/train.py',
    ]);
  });

  test('is a Python module by its name', async () => {
    await write({ 'tools/__init__.py': '', 'tools/__main__.py': 'from .run import main', 'tools/run.py': '' });
    expect(await filesOf(['python', '-m', 'tools'])).toEqual([
      'tools/__init__.py',
      'tools/__main__.py',
      'tools/run.py',
    ]);
  });

  test('is a JavaScript or TypeScript file and what it imports, never node_modules', async () => {
    await write({
      'main.mjs': `import x from './lib/x.js'; import 'dep'; import '../outside.js'; const y = require('./lib')`,
      'lib/x.ts': `import './data.json'`,
      'lib/index.cjs': '',
      'lib/data.json': '{}',
      'node_modules/dep/index.js': '',
    });
    expect(await filesOf(['node', 'main.mjs'])).toEqual(['lib/data.json', 'lib/index.cjs', 'lib/x.ts', 'main.mjs']);
  });

  test('is whatever else the arguments name inside the root: a configuration, a script without an ending', async () => {
    await write({
      'conf/a.yaml': '',
      'bin/run': '#!/usr/bin/env python3\nimport helper',
      'bin/helper.py': '',
      'plain.txt': '',
    });
    const argv = ['bin/run', '--config=conf/a.yaml', 'plain.txt', '../../etc/passwd', '/etc/hostname', '{output:out}'];
    expect(await filesOf(argv)).toEqual(['bin/run', 'bin/helper.py', 'conf/a.yaml']);
  });

  test('is found from the stage’s own folder, by PYTHONPATH where the workflow gives it, and in explicit files', async () => {
    await write({ 'sub/job.py': 'import shared', 'vendor/shared.py': '', 'extra.py': 'import more', 'more.py': '' });
    const more = { cwd: 'sub', env: { PYTHONPATH: '../vendor' }, files: ['extra.py'] };
    expect(await filesOf(['python3', 'job.py'], more)).toEqual([
      'extra.py',
      'more.py',
      'sub/job.py',
      'vendor/shared.py',
    ]);
  });

  test('may run in circles of links without end', async () => {
    await write({ 'a/a.py': 'from b import c' });
    await symlink('..', join(root, 'a/b'));
    await symlink('a.py', join(root, 'a/c.py'));
    await expect(filesOf(['python3', 'a/a.py'])).resolves.toContain('a/a.py');
  });

  test('is read once for a thousand stages that share it', async () => {
    await write(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`m${n}.py`, `import m${n + 1}, numpy`])));
    const started = performance.now();
    const plan = await planOf(['python3', 'm0.py'], {}, 1000);
    expect(plan.stages.every(({ files }) => files.length === 50)).toBe(true);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

test('an edit of a file that a script imports runs its stage again, and is named; other edits do not', async () => {
  await write({
    'copy.mjs': `import { text } from './text.mjs'; import { writeFileSync } from 'node:fs'; writeFileSync(process.argv[2], text)`,
    'text.mjs': `export const text = 'one'`,
    'unrelated.mjs': '',
  });
  const argv = [process.execPath, 'copy.mjs', '{output:out}'];
  const engine = Engine.in(root);
  expect((await engine.run(await planOf(argv))).states).toEqual({ s0: 'succeeded' });
  await write({ 'unrelated.mjs': '// edited' });
  expect((await engine.run(await planOf(argv))).states).toEqual({ s0: 'cached' });
  await write({ 'text.mjs': `export const text = 'two'` });
  const { events } = await engine.run(await planOf(argv));
  expect(ofType(events, 'stage-started')[0]?.cause).toMatchObject({
    because: 'changed',
    changes: [{ pointer: '/files/text.mjs' }],
  });
});
