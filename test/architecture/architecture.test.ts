import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layers } from './layers.ts';
import { findCycle, readSources, root } from './sources.ts';
import type { Source } from './sources.ts';

const sources = readSources('src');
const longest = 300;
const folderOf = (path: string): string => path.split('/')[1] ?? '';
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly dependencies: { readonly [name: string]: string };
  readonly devDependencies: { readonly [name: string]: string };
};

describe('layers', () => {
  const order = Object.keys(layers);

  it('name every folder of src/ and no other', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(
      folders
        .map(({ name }) => name)
        .filter((name) => readSources(`src/${name}`).length > 0)
        .sort(),
    ).toEqual([...order].sort());
  });

  it('only ever point upwards in their list, so that no two folders can need each other', () => {
    for (const [index, folder] of order.entries()) {
      for (const imported of layers[folder] ?? [])
        expect(order.slice(0, index), `${folder} imports ${imported}`).toContain(imported);
    }
  });

  it('hold for every import, type imports included', () => {
    const wrong = sources.flatMap(({ path, files }) =>
      files
        .filter((file) => file.startsWith('src/') && folderOf(file) !== folderOf(path))
        .filter((file) => !(layers[folderOf(path)] ?? []).includes(folderOf(file)))
        .map((file) => `${path} imports ${file}`),
    );
    expect(wrong).toEqual([]);
  });

  it('let nothing in src/ import outside it but schemas', () => {
    const outside = sources.flatMap(({ path, files }) =>
      files
        .filter((file) => !file.startsWith('src/') && !file.startsWith('schemas/'))
        .map((file) => `${path} imports ${file}`),
    );
    expect(outside).toEqual([]);
  });

  it('keep the kernel free of files and processes', () => {
    const wrong = sources.filter(({ path, builtins }) => path.startsWith('src/qat/') && builtins.length > 0);
    expect(wrong.map(({ path, builtins }) => `${path} imports ${builtins.join(', ')}`)).toEqual([]);
  });
});

describe('imports', () => {
  it('form no cycle, type imports included', () => {
    expect(findCycle(sources)?.join(' → ')).toBeUndefined();
  });

  it('name files that exist', () => {
    const missing = sources.flatMap(({ path, files }) =>
      files.filter((file) => !existsSync(join(root, file))).map((file) => `${path} imports ${file}`),
    );
    expect(missing).toEqual([]);
  });

  it('let one file only import each library', () => {
    const importers = new Map<string, string[]>();
    for (const { path, packages } of sources) {
      for (const name of packages) importers.set(name, [...(importers.get(name) ?? []), path]);
    }
    const shared = [...importers].filter(([, paths]) => paths.length > 1);
    expect(shared.map(([name, paths]) => `${name}: ${paths.join(', ')}`)).toEqual([]);
    expect([...importers.keys()].sort()).toEqual(Object.keys(manifest.dependencies).sort());
  });
});

describe('the cycle finder', () => {
  const source = (path: string, ...files: string[]): Source => ({ path, text: '', files, packages: [], builtins: [] });

  it('finds a cycle and gives it in order', () => {
    const cyclic = [source('a', 'b'), source('b', 'c', 'd'), source('c'), source('d', 'b')];
    expect(findCycle(cyclic)).toEqual(['b', 'd', 'b']);
  });

  it('finds none in a graph whose paths meet again', () => {
    expect(findCycle([source('a', 'b', 'c'), source('b', 'd'), source('c', 'd'), source('d')])).toBeUndefined();
  });
});

describe('files', () => {
  const all = [...sources, ...readSources('test'), ...readSources('scripts')];

  it(`have at most ${longest} lines`, () => {
    const long = all
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > longest);
    expect(long.map(({ path, lines }) => `${path}: ${lines}`)).toEqual([]);
  });

  it('of src/ and scripts/ open with what they are for', () => {
    const silent = all.filter(({ path, text }) => !path.startsWith('test/') && !/^(#!.*\n)?(\/\/|\/\*)/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('write to the console in src/console and src/cli only', () => {
    const loud = sources.filter(
      ({ path, text }) => /^[^/*'"`]*\bconsole\s*\.\s*\w/m.test(text) && !/^src\/(console|cli)\//.test(path),
    );
    expect(loud.map(({ path }) => path)).toEqual([]);
  });

  it('have no default exports', () => {
    expect(sources.filter(({ text }) => /^export default\b/m.test(text)).map(({ path }) => path)).toEqual([]);
  });

  it('name no place of the machine they were written on', () => {
    const places = all.filter(({ text }) =>
      /['"`\s(](\/work\/|\/root\/|\/home\/\w)/.test(text.replaceAll('/home\\/\\w', '')),
    );
    expect(places.map(({ path }) => path).filter((path) => path !== 'test/architecture/architecture.test.ts')).toEqual(
      [],
    );
  });
});

describe('dependencies', () => {
  it('each have their reason in docs/dependencies.md, and no other is explained there', () => {
    const text = readFileSync(join(root, 'docs', 'dependencies.md'), 'utf8');
    const explained = [...text.matchAll(/^\| `([^`]+)`\s+\|/gm)].map(([, name]) => name);
    const declared = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)];
    expect([...explained].sort()).toEqual(declared.sort());
  });
});
