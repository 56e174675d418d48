// What an editor shows when the pointer rests on a word: the description in the schema, word for word.
import { describe, expect, it } from 'vitest';
import workflowSchema from '../../schemas/workflow.schema.json' with { type: 'json' };
import { schemaParts } from '../../scripts/docs/generated-files.ts';
import { resolve, rootOf, samplesOf } from '../../scripts/docs/schema-samples.ts';
import { stageKinds } from '../../src/stages/registry.ts';
import { isJsonObject, jsonText } from '../../src/support/json.ts';
import type { Json, JsonObject } from '../../src/support/json.ts';
import { hover } from './editor.ts';
import { path, withStage } from './places.ts';

const { roots } = schemaParts('.');

interface Setting {
  readonly name: string;
  readonly at: readonly string[];
  readonly description: string;
  readonly sample: Json;
}

/** Every setting that is reached through plain objects, with its own words. */
function settingsOf(schema: JsonObject, root: JsonObject, at: readonly string[] = []): readonly Setting[] {
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    const target = resolve(reference, root, roots);
    return isJsonObject(target) ? settingsOf(target, rootOf(reference, root, roots), at) : [];
  }
  const properties = isJsonObject(schema['properties']) ? Object.entries(schema['properties']) : [];
  return properties.flatMap(([name, property]) => {
    if (!isJsonObject(property)) return [];
    const inner = settingsOf(property, root, [...at, name]);
    const description = property['description'];
    const sample = samplesOf(property, root, roots)[0] ?? null;
    return typeof description === 'string'
      ? [{ name: [...at, name].join('.'), at: [...at, name], description, sample }, ...inner]
      : inner;
  });
}

/** `{"training": {"|epochs": 1}}` */
function documentWith(at: readonly string[], sample: Json): string {
  const [key, ...rest] = at;
  if (key === undefined) return JSON.stringify(sample);
  return rest.length === 0 ? `{ "|${key}": ${JSON.stringify(sample)} }` : `{ "${key}": ${documentWith(rest, sample)} }`;
}

describe.each([...stageKinds.values()])('a setting of $kind', ({ kind, settingsSchema }) => {
  it('shows its description, as a value and as a substitution', async () => {
    for (const { name, at, description, sample } of settingsOf(settingsSchema, settingsSchema)) {
      for (const value of [sample, { $param: 'x' }]) {
        const shown = await hover(path, withStage(`{ "kind": "${kind}", "with": ${documentWith(at, value)} }`));
        expect(plain(shown), `${kind}: ${name}`).toContain(plain(description));
      }
    }
  });
});

it('shows the description of every field of a stage', async () => {
  const fields = Object.entries(
    workflowSchema.$defs.stage.properties as { readonly [name: string]: { readonly description?: string } },
  );
  for (const [name, { description }] of fields) {
    if (name === 'with' || name === 'kind') continue; // those depend on the kind
    const shown = await hover(path, withStage(`{ "${name.slice(0, 1)}|${name.slice(1)}": 1 }`));
    expect(plain(shown), name).toContain(plain(description ?? 'a description'));
  }
});

it('shows what a kind does on its name and on its settings as a whole', async () => {
  for (const { kind, settingsSchema } of stageKinds.values()) {
    const said = plain(jsonText(settingsSchema['description']));
    expect(plain(await hover(path, withStage(`{ "kind": "|${kind}" }`)))).toContain(said);
    expect(plain(await hover(path, withStage(`{ "kind": "${kind}", "|with": {} }`)))).toContain(said);
  }
});

it('shows what an allowed value means', async () => {
  expect(await hover(path, withStage('{ "kind": "qat", "with": { "bn": "fro|zen" } }'))).toContain(
    'stay as they came in',
  );
  expect(await hover(path, withStage('{ "kind": "calibrate", "with": { "observer": { "kind": "m|se" } } }'))).toContain(
    'smallest squared error',
  );
});

it('shows what a port takes', async () => {
  expect(await hover(path, withStage('{ "kind": "finetune", "inputs": { "he|ad": "float.head" } }'))).toContain(
    'Takes checkpoint of the head (float): one',
  );
});

/** Hover text is markdown: its escapes and line breaks are not what is compared. */
function plain(text: string): string {
  return text.replaceAll(/[\\`]/g, '').replaceAll('&nbsp;', ' ').replaceAll(/\s+/g, ' ');
}
