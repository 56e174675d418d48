// `npm run schemas` and `npm run reference`: writes the files that are made from schemas, kinds, catalogue and commands.
// A test compares them; what they hold is decided in scripts/docs/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { cacheFolder, root } from './places.mjs';

const [what] = process.argv.slice(2);
const outfile = join(cacheFolder, `generate-${process.pid}.mjs`);
await build({
  entryPoints: [join(root, 'scripts/docs/generated-files.ts')],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  logLevel: 'warning',
});
const { generatedSchemas, generatedPages } = await import(pathToFileURL(outfile).href);
const files = what === 'schemas' ? await generatedSchemas(root) : await generatedPages(root);
for (const { path, text } of files) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  console.log(path);
}
