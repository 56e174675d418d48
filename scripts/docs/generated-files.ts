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
import type { SchemaRoots } from './schema-samples.ts';

export interface GeneratedFile {
  /** Relative to the project's root. */
  readonly path: string;
  readonly text: string;
}

const generated = 'as-written.schema.json';

export async function generatedSchemas(root: string): Promise<readonly GeneratedFile[]> {
  const path = `schemas/${generated}`;
  return [{ path, text: await formatted(root, path, JSON.stringify(asWrittenSchema(schemaParts(root)))) }];
}

export function schemaParts(root: string): SchemaParts {
  const roots = readSchemas(root);
  const named = (name: string): JsonObject => {
    const schema = roots.get(`headgate:/schemas/${name}.schema.json`);
    if (schema === undefined) throw new Error(`there is no schemas/${name}.schema.json`);
    return schema;
  };
  const [workflow, task, profile, cases] = ['workflow', 'task', 'profile', 'gate-cases'].map(named);
  if (!workflow || !task || !profile || !cases) throw new Error('a schema is missing');
  return { workflow, task, profile, cases, roots, kinds: [...stageKinds.values()] };
}

/** The schemas that are written by hand, by their `$id`. */
export function readSchemas(root: string): SchemaRoots {
  const folder = join(root, 'schemas');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.schema.json') && file !== generated,
  );
  return new Map(
    files.sort().map((file) => {
      const schema: unknown = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      if (!isJsonObject(schema)) throw new Error(`schemas/${file} is no object`);
      return [jsonText(schema['$id']), schema];
    }),
  );
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
  ];
  return Promise.all(
    pages.map(async ([name, text]) => {
      const path = `docs/reference/${name}.md`;
      return { path, text: await formatted(root, path, text) };
    }),
  );
}
