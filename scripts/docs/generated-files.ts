// Every file that is made from something else, by path, with its text: written by `npm run schemas` and
// `npm run reference`, compared by a test.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { stageKinds } from '../../src/stages/registry.ts';
import { isJsonObject, jsonText } from '../../src/support/json.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { asWrittenSchema, type SchemaParts } from './as-written.ts';
import { commandPage } from './command-page.ts';
import { errorPage } from './error-page.ts';
import { filesPage, kindsPage, workflowPage } from './language-pages.ts';
import { failuresPage, schemasWithReasons, withReasons } from './reasons.ts';
import type { SchemaRoots } from './schema-samples.ts';

export interface GeneratedFile {
  /** Relative to the project's root. */
  readonly path: string;
  readonly text: string;
}

const generated = 'as-written.schema.json';

export async function generatedSchemas(root: string): Promise<readonly GeneratedFile[]> {
  const texts: readonly (readonly [string, string])[] = [
    [generated, JSON.stringify(asWrittenSchema(schemaParts(root)))],
    ...schemasWithReasons.map((name) => [`${name}.schema.json`, schemaText(root, `${name}.schema.json`)] as const),
  ];
  return Promise.all(
    texts.map(async ([name, text]) => ({
      path: `schemas/${name}`,
      text: await formatted(root, `schemas/${name}`, text),
    })),
  );
}

export function schemaParts(root: string): SchemaParts {
  const roots = readSchemas(root);
  return {
    workflow: schemaOf(roots, 'workflow'),
    task: schemaOf(roots, 'task'),
    profile: schemaOf(roots, 'profile'),
    cases: schemaOf(roots, 'gate-cases'),
    roots,
    kinds: [...stageKinds.values()],
  };
}

function schemaOf(roots: SchemaRoots, name: string): JsonObject {
  const schema = roots.get(`headgate:/schemas/${name}.schema.json`);
  if (schema === undefined) throw new Error(`there is no schemas/${name}.schema.json`);
  return schema;
}

/** The schemas that are written by hand, by their `$id`, with the words that come from the tables of reasons. */
export function readSchemas(root: string): SchemaRoots {
  const folder = join(root, 'schemas');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.schema.json') && file !== generated,
  );
  return new Map(
    files.sort().map((file) => {
      const schema: unknown = JSON.parse(schemaText(root, file));
      if (!isJsonObject(schema)) throw new Error(`schemas/${file} is no object`);
      return [jsonText(schema['$id']), schema];
    }),
  );
}

function schemaText(root: string, file: string): string {
  return withReasons(file.replace('.schema.json', ''), readFileSync(join(root, 'schemas', file), 'utf8'));
}

async function formatted(root: string, path: string, text: string): Promise<string> {
  const file = join(root, path);
  return format(text, { ...(await resolveConfig(file)), filepath: file });
}

export async function generatedPages(root: string): Promise<readonly GeneratedFile[]> {
  const { workflow, roots, kinds } = schemaParts(root);
  const pages: readonly (readonly [string, string])[] = [
    ['workflow', workflowPage(workflow, roots)],
    ['kinds', kindsPage(kinds, roots)],
    ['files', filesPage(roots)],
    ['commands', await commandPage()],
    ['errors', errorPage(root)],
    ['failures', failuresPage()],
  ];
  return Promise.all(
    pages.map(async ([name, text]) => {
      const path = `docs/reference/${name}.md`;
      return { path, text: await formatted(root, path, text) };
    }),
  );
}
