// The editor and the engine agree: what the engine accepts the editor does not underline, and what is wrong with the form
// of a workflow is underlined on the line that headgate names.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { schemaParts } from '../../scripts/docs/generated-files.ts';
import { samplesOf } from '../../scripts/docs/schema-samples.ts';
import { sourceDocument } from '../../src/diagnostics/source.ts';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import { parseJson } from '../../src/spec/json-syntax.ts';
import { checkSchema } from '../../src/spec/schema-check.ts';
import { stageKinds } from '../../src/stages/registry.ts';
import { isJsonObject } from '../../src/support/json.ts';
import type { Json } from '../../src/support/json.ts';
import { editorProblems } from './editor.ts';
import { path, withStage } from './places.ts';

const fixtures = 'test/fixtures/workflows';
const { roots } = schemaParts('.');

/** Problems that show without resolving anything: the text, the schema, kinds, ports' names. */
const ofForm = /^HG(10|111[1-7]|1205|1206|1219|1301|1401|1402)/;
/** An editor has its own idea of these, or cannot know: each with the reason. */
const unseen: { readonly [fixture: string]: string } = {
  'empty-file': 'an empty file names no schema',
  'not-an-object': 'an array names no schema',
  'byte-order-mark': 'editors take the mark off',
  'not-utf8': 'editors show replacement characters',
  'huge-number': 'editors read it as infinity',
  'too-deep': 'a limit of headgate alone',
  'wrong-type-of-parameter': 'the value comes from a parameter',
};

/** The text as it stands, read as if it were a file of workflows/. */
function schemaNamed(text: string): string {
  const named = '"$schema": "../schemas/workflow.schema.json"';
  return text.includes('"$schema"') ? text.replace(/"\$schema":\s*"[^"]*"/, named) : text.replace('{', `{ ${named},`);
}

describe('a workflow that headgate accepts', () => {
  const shipped = ['workflows', 'workflows/parts'].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => join(folder, file)),
  );
  it.each(shipped)('%s has no problem in an editor', async (file) => {
    expect(await editorProblems(file, readFileSync(file, 'utf8'))).toEqual([]);
  });

  const valid = readdirSync(join(fixtures, 'valid')).filter((file) => file.endsWith('.json'));
  it.each(valid)('fixture %s has none', async (file) => {
    const source = join(fixtures, 'valid', file);
    const loaded = await loadWorkflow(source, { root: fixtures });
    // Whether the files that it names are there an editor cannot know.
    expect(loaded.ok ? [] : loaded.error.filter(({ code }) => code !== 'HG1502')).toEqual([]);
    expect(await editorProblems(path, schemaNamed(readFileSync(source, 'utf8')))).toEqual([]);
  });

  it.each([...stageKinds.values()])('has none for any settings of $kind that its schema takes', async (kind) => {
    for (const settings of samplesOf(kind.settingsSchema, kind.settingsSchema, roots)) {
      if (!takes(kind.settingsSchema, settings)) continue;
      const cases = kind.role === 'gate' ? ', "cases": [{ "name": "a", "else": true }]' : '';
      for (const written of [settings, substituted(settings)]) {
        const text = withStage(`{ "kind": "${kind.kind}", "with": ${JSON.stringify(written)}${cases} }`);
        expect(await editorProblems(path, text), text).toEqual([]);
      }
    }
  });
});

describe('a malformed workflow', () => {
  const names = readdirSync(fixtures).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []));
  it.each(names.filter((name) => unseen[name] === undefined))(
    '%s is underlined where its form is wrong, and only there',
    async (name) => {
      const told = readFileSync(join(fixtures, `${name}.txt`), 'utf8');
      const problems = [...told.matchAll(/^\S+?:(\d+):\d+ (HG\d+)/gm)].filter(([, , code = '']) => ofForm.test(code));
      const found = await editorProblems(path, schemaNamed(readFileSync(join(fixtures, `${name}.json`), 'utf8')));
      const lines = new Set(problems.map(([, line]) => Number(line)));
      for (const line of lines)
        expect(
          found.map((problem) => problem.line),
          `${name}: ${told}`,
        ).toContain(line);
      if (lines.size === 0) expect(found).toEqual([]);
    },
  );
});

describe('what a whole workflow needs', () => {
  const file = (schema: string, members: string): string =>
    `{ "$schema": "../schemas/${schema}.schema.json"${members} }`;
  const stages = ', "stages": { "a": { "kind": "command", "with": { "argv": ["true"] } } }';
  const missing = async (text: string): Promise<readonly string[]> =>
    (await editorProblems(path, text)).map(({ message }) => message);

  it.each([
    ['a name', stages],
    ['stages', ', "name": "w"'],
    ['a name, also where stages may come from another file', ', "include": ["part.json"]'],
  ])('is %s', async (_, members) => {
    expect(await missing(file('workflow', members))).toEqual([
      expect.stringMatching(/Missing property "(name|stages)"/),
    ]);
  });

  it('is not asked of a part, which is checked as closely otherwise', async () => {
    expect(await missing(file('part', ''))).toEqual([]);
    expect(await missing(file('part', stages))).toEqual([]);
    expect(await missing(file('workflow', ', "name": "w", "include": ["part.json"]'))).toEqual([]);
    expect(await missing(file('part', stages.replace('argv', 'arv')))).not.toEqual([]);
  });
});

describe('a kind that is not built in', () => {
  const stage = '{ "kind": "sharpen", "with": { "radius": 3 } }';

  it('is underlined where the workflow names no packages', async () => {
    const found = await editorProblems(path, withStage(stage));
    expect(found.map(({ message }) => message)).toEqual([expect.stringContaining('Value is not accepted')]);
  });

  it('is left alone where it does', async () => {
    const found = await editorProblems(path, withStage(stage, '"kinds": ["headgate-sharpen"],'));
    expect(found.filter(({ message }) => message.includes('Value is not accepted'))).toEqual([]);
  });
});

function takes(schema: Parameters<typeof checkSchema>[0], value: Json): boolean {
  const parsed = parseJson(sourceDocument('a test', JSON.stringify(value)));
  return parsed.ok && checkSchema(schema, parsed.value, 'the value').ok;
}

/** Every setting left to a parameter. */
function substituted(value: Json): Json {
  if (!isJsonObject(value)) return { $param: 'x' };
  return Object.fromEntries(Object.keys(value).map((key) => [key, { $param: 'x' }]));
}
