import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stageKinds } from '../../src/stages/registry.ts';
import { isJsonObject } from '../../src/support/json.ts';
import type { Json } from '../../src/support/json.ts';

/** What a workflow is written in; the schemas of jobs and of users' data have their own tests. */
const schemaFiles = [
  ...['workflow', 'task', 'profile', 'training', 'gate-cases'].map((name) => `${name}.schema.json`),
  ...readdirSync('schemas/stages').map((file) => `stages/${file}`),
];

function read(file: string): Json {
  return JSON.parse(readFileSync(`schemas/${file}`, 'utf8')) as Json;
}

/** Paths of properties that say nothing about themselves, neither on the spot nor where they refer to. */
function undescribed(node: Json, root: Json, path = ''): readonly string[] {
  if (Array.isArray(node)) return node.flatMap((item: Json, index) => undescribed(item, root, `${path}/${index}`));
  if (!isJsonObject(node)) return [];
  const properties = isJsonObject(node['properties']) ? Object.entries(node['properties']) : [];
  const silent = properties.flatMap(([name, property]) => (speaks(property, root) ? [] : [`${path}/${name}`]));
  return [...silent, ...Object.entries(node).flatMap(([key, value]) => undescribed(value, root, `${path}/${key}`))];
}

function speaks(property: Json, root: Json): boolean {
  if (!isJsonObject(property)) return false;
  if ('description' in property || 'const' in property) return true;
  const name = typeof property['$ref'] === 'string' ? /^#\/\$defs\/(\w+)$/.exec(property['$ref'])?.[1] : undefined;
  const defs = isJsonObject(root) && isJsonObject(root['$defs']) ? root['$defs'] : {};
  return name !== undefined && isJsonObject(defs[name]);
}

describe('the stage kinds', () => {
  it('have one schema each, by their name', () => {
    expect([...stageKinds.keys()].sort()).toEqual(
      readdirSync('schemas/stages')
        .map((file) => file.replace('.schema.json', ''))
        .sort(),
    );
  });

  it('say in a few words what they do', () => {
    for (const kind of stageKinds.values()) expect(kind.summary.length).toBeGreaterThan(10);
  });

  it("are the engine's own exactly where nothing has to be computed", () => {
    const engine = [...stageKinds.values()].filter((kind) => kind.runsOn === 'engine').map((kind) => kind.kind);
    expect(engine).toEqual(['gate', 'select', 'best', 'stop']);
  });
});

describe.each(schemaFiles)('schemas/%s', (file) => {
  it('describes every setting', () => {
    const schema = read(file);
    expect(undescribed(schema, schema)).toEqual([]);
  });
});
