// Included files: real ones, in a folder of the test.
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { Result } from '../../src/support/result.ts';
import { command, idsOf, stageOf } from './plan-of.ts';

function folderWith(files: { readonly [path: string]: object | string }): string {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-include-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
  return folder;
}

async function load(folder: string, set: readonly string[] = []): Promise<Result<Plan, readonly Diagnostic[]>> {
  return loadWorkflow(join(folder, 'main.json'), { root: folder, set });
}

async function codes(folder: string, set: readonly string[] = []): Promise<readonly string[]> {
  const loaded = await load(folder, set);
  return loaded.ok ? [] : loaded.error.map(({ code }) => code);
}

describe('an included file', () => {
  it('counts as declared in the workflow, its own includes too', async () => {
    const folder = folderWith({
      'main.json': {
        name: 'w',
        include: ['parts/one.json'],
        params: { a: { x: 2 } },
        stages: { end: command({ in: 'first.out' }) },
      },
      'parts/one.json': { include: ['two.json'], params: { a: { x: 1, y: 1 } } },
      'parts/two.json': {
        stages: {
          first: {
            kind: 'command',
            with: { argv: [{ $param: 'word' }], outputs: { out: { type: 'file', path: 'o' } } },
          },
        },
        params: { word: 'true' },
      },
    });
    const looked: string[] = [];
    const loaded = await loadWorkflow(join(folder, 'main.json'), { root: folder, onLook: (path) => looked.push(path) });
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));
    expect(idsOf(loaded.value)).toEqual(['first', 'end']);
    expect(loaded.value.params).toEqual({ word: 'true', a: { x: 2, y: 1 } });
    expect(stageOf(loaded.value, 'first').at.file).toContain('two.json');
    expect(looked.filter((path) => path.endsWith('.json'))).toHaveLength(3);
  });

  it('is read once, however often it is included', async () => {
    const folder = folderWith({
      'main.json': { name: 'w', include: ['a.json', 'b.json'], stages: { end: command() } },
      'a.json': { include: ['c.json'] },
      'b.json': { include: ['c.json'] },
      'c.json': { stages: { common: command() } },
    });
    const loaded = await load(folder);
    expect(loaded.ok && idsOf(loaded.value)).toEqual(['common', 'end']);
  });

  it.each([
    ['a circle', 'HG1721', { 'main.json': { include: ['a.json'] }, 'a.json': { include: ['main.json'] } }],
    ['itself', 'HG1721', { 'main.json': { include: ['main.json'] } }],
    ['what is not there', 'HG1722', { 'main.json': { include: ['a.json'] } }],
    ['a folder', 'HG1722', { 'main.json': { include: ['a'] }, 'a/b.json': {} }],
    ['what lies outside', 'HG1723', { 'main.json': { include: ['../../../../../../etc/hostname'] } }],
    ['an absolute path', 'HG1723', { 'main.json': { include: ['/etc/hostname'] } }],
    ['broken JSON', 'HG1005', { 'main.json': { include: ['a.json'] }, 'a.json': '{' }],
    ['an unknown key', 'HG1111', { 'main.json': { include: ['a.json'] }, 'a.json': { stagess: {} } }],
    ['a stage twice', 'HG1725', { 'main.json': { include: ['a.json'] }, 'a.json': { stages: { end: command() } } }],
  ])('is refused where it is %s', async (_what, code, files) => {
    const whole = files['main.json'];
    const folder = folderWith({ ...files, 'main.json': { name: 'w', stages: { end: command() }, ...whole } });
    expect(await codes(folder)).toContain(code);
  });

  it('is found beside the workflow where the root is not there yet', async () => {
    const folder = folderWith({
      'main.json': { name: 'w', include: ['a.json'], stages: { t: command({}) } },
      'a.json': { stages: { s: command({}) } },
    });
    const loaded = await loadWorkflow(join(folder, 'main.json'), { root: join(folder, 'no', 'root') });
    expect(loaded.ok ? idsOf(loaded.value) : loaded.error).toEqual(['s', 't']);
  });

  it('does not leave the root through a link', async () => {
    const folder = folderWith({ 'main.json': { name: 'w', include: ['link.json'], stages: { end: command() } } });
    const outside = folderWith({ 'secret.json': {} });
    symlinkSync(join(outside, 'secret.json'), join(folder, 'link.json'));
    expect(await codes(folder)).toEqual(['HG1723']);
  });
});

describe('a schema of parameters', () => {
  const main = {
    name: 'w',
    params: { epochs: 2, sizes: [1] },
    paramsSchema: { properties: { epochs: { type: 'integer', minimum: 1 }, sizes: { minItems: 1 } } },
    stages: { end: command() },
  };

  it('is satisfied or names the value that is not, wherever it was written', async () => {
    const folder = folderWith({ 'main.json': main });
    expect(await codes(folder)).toEqual([]);
    const loaded = await load(folder, ['epochs=0']);
    expect(loaded.ok ? [] : loaded.error).toMatchObject([{ file: '--set', column: 8 }]);
    expect(await codes(folder, ['epochs=1.5'])).toHaveLength(1);
  });

  it('is itself checked', async () => {
    const folder = folderWith({
      'main.json': { ...main, paramsSchema: { properties: { epochs: { type: 'intger' } } } },
    });
    expect(await codes(folder)).toEqual(['HG1726']);
  });
});
