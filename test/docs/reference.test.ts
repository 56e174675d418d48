// The reference says something of everything: every property of every schema, every kind and port, every command and option,
// every problem.
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseHelp } from '../../scripts/docs/command-page.ts';
import { problemsIn } from '../../scripts/docs/error-page.ts';
import { readSchemas } from '../../scripts/docs/generated-files.ts';
import { portsOf } from '../../scripts/docs/kind-ports.ts';
import { resolve, rootOf } from '../../scripts/docs/schema-samples.ts';
import { stageKinds } from '../../src/stages/registry.ts';
import { isJsonObject } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';

const roots = readSchemas('.');
const page = (name: string): string => readFileSync(`docs/reference/${name}.md`, 'utf8');
const FEWEST_LETTERS = 8;

/** Properties that say nothing, or next to nothing, of themselves. */
function silent(node: Json, root: JsonObject, path = ''): readonly string[] {
  if (Array.isArray(node)) return node.flatMap((item: Json, index) => silent(item, root, `${path}/${index}`));
  if (!isJsonObject(node)) return [];
  const properties = isJsonObject(node['properties']) ? Object.entries(node['properties']) : [];
  const quiet = properties.filter(([, property]) => isJsonObject(property) && !speaks(property, root));
  // A condition repeats what is described where it belongs.
  const inner = Object.entries(node).filter(([key]) => key !== 'if');
  return [
    ...quiet.map(([name]) => `${path}/${name}`),
    ...inner.flatMap(([key, value]) => silent(value, root, `${path}/${key}`)),
  ];
}

function speaks(property: JsonObject, root: JsonObject): boolean {
  if (property['const'] !== undefined) return true;
  const { description, $ref: reference } = property;
  if (typeof description === 'string') return description.length >= FEWEST_LETTERS;
  const target = typeof reference === 'string' ? resolve(reference, root, roots) : undefined;
  return typeof reference === 'string' && isJsonObject(target) && speaks(target, rootOf(reference, root, roots));
}

describe.each([...roots])('%s', (_id, schema) => {
  it('describes every property', () => {
    expect(silent(schema, schema)).toEqual([]);
  });
});

describe('the page of kinds', () => {
  it.each([...stageKinds.values()])('names every setting and port of $kind', (kind) => {
    const text = page('kinds');
    const start = text.indexOf(`\n## ${kind.kind}\n`);
    const end = text.indexOf('\n## ', start + 1);
    const own = text.slice(start, end < 0 ? undefined : end);
    const settings = Object.keys((kind.settingsSchema['properties'] ?? {}) as object);
    const ports = portsOf(kind, roots);
    const names = [
      ...settings,
      ...ports.inputs.map(({ name }) => name),
      ...ports.outputs.map(({ name }) => name.replace('[task]', '[<task>]')),
    ];
    for (const name of names) expect(own).toContain(`\`${name}\``);
  });

  it('has an input of the shipped workflows for every kind that takes any', () => {
    for (const kind of ['train', 'calibrate', 'qat', 'validate', 'gate', 'merge', 'export', 'finetune', 'analyze']) {
      const found = stageKinds.get(kind);
      expect(found === undefined ? [] : portsOf(found, roots).inputs, kind).not.toEqual([]);
    }
  });
});

describe('the page of errors', () => {
  const folder = 'src/diagnostics/catalogue';
  const sources = readdirSync(folder).map((file) => readFileSync(`${folder}/${file}`, 'utf8'));

  it('has every code of the catalogue, with words', () => {
    const text = page('errors');
    const codes = sources.flatMap((source) => [...source.matchAll(/'(HG\d+)'/g)].map(([, code = '']) => code));
    expect(codes.length).toBeGreaterThan(100);
    for (const code of codes) expect(text).toMatch(new RegExp(`### ${code}: \\w.*\\n\\n> \\S`));
  });

  it('gives no code to two problems', () => {
    const codes = sources.flatMap((source) => problemsIn('catalogue.ts', source).map(({ code }) => code));
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
  });
});

describe('the help of commands', () => {
  it('is read whole, whatever the width of its lines', () => {
    const help = parseHelp(
      'Usage: headgate run [options] <file>\n\nrun a workflow as\nfar as it goes\n\nOptions:\n  --set <path=value>  set a parameter;\n                      repeatable\n  -h, --help\n\nCommands:\n  ls [options]        how much\n',
    );
    expect(help).toEqual({
      usage: 'headgate run [options] <file>',
      text: 'run a workflow as far as it goes',
      options: [
        ['--set <path=value>', 'set a parameter; repeatable'],
        ['-h, --help', ''],
      ],
      commands: [['ls [options]', 'how much']],
    });
  });

  it('is there for every command, with words for every option', () => {
    const text = page('commands');
    for (const name of ['validate', 'plan', 'run', 'watch', 'resume', 'explain', 'cache gc'])
      expect(text).toContain(`\n## ${name}\n`);
    expect(text).not.toMatch(/^\| `-[^|]*\|\s*\|$/m);
  });
});
