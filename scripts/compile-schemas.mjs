// Validating functions for the project's schemas, compiled when the program is built instead of each time it starts: an
// esbuild plugin that puts them in the place of src/spec/precompiled-schemas.ts. Options and keywords are the program's own.
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { cacheFolder, root } from './places.mjs';

/** Schemas that are checked as they are, by any part of the program. */
const CHECKED = ['workflow', 'task', 'profile', 'gate-cases'];

export const precompiledSchemas = {
  name: 'precompiled schemas',
  setup: (bundle) =>
    bundle.onLoad({ filter: /[/\\]src[/\\]spec[/\\]precompiled-schemas\.ts$/ }, async () => ({
      contents: await compiledSchemas(),
      loader: 'js',
    })),
};

async function compiledSchemas() {
  const { newAjv, schemaDigest } = await programsOwn();
  const ajv = newAjv({ source: true, esm: true });
  const schemas = schemaFiles().map((path) => JSON.parse(readFileSync(path, 'utf8')));
  const names = schemas.map((_, index) => `schema${index}`);
  schemas.forEach((schema, index) => {
    if (ajv.getSchema(schema.$id) === undefined) ajv.addSchema(schema, schema.$id ?? names[index]);
  });
  const ids = Object.fromEntries(schemas.map((schema, index) => [names[index], schema.$id ?? names[index]]));
  const code = standaloneCode.default(ajv, ids);
  const rows = schemas.map((schema, index) => `['${schemaDigest(schema)}', ${names[index]}]`);
  const whole = `${code}\nexport const precompiled = new Map([${rows.join(', ')}]);\n`;
  return bundled({ stdin: { contents: whole, resolveDir: root, loader: 'js' }, minify: true });
}

function schemaFiles() {
  const stages = join(root, 'schemas', 'stages');
  const kinds = readdirSync(stages).filter((name) => name.endsWith('.schema.json'));
  return [
    ...CHECKED.map((name) => join(root, 'schemas', `${name}.schema.json`)),
    ...kinds.sort().map((name) => join(stages, name)),
  ];
}

async function programsOwn() {
  const code = await bundled({ entryPoints: [join(root, 'src/spec/validators.ts')], external: ['ajv'] });
  // Below node_modules, where it finds ajv as the program does.
  const path = join(cacheFolder, `validators-${process.pid}.mjs`);
  writeFileSync(path, code);
  try {
    return await import(path);
  } finally {
    rmSync(path);
  }
}

async function bundled(options) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
    ...options,
  });
  return outputFiles[0].text;
}
