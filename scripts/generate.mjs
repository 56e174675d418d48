// `npm run schemas` and `npm run reference`: writes the files that are made from schemas, kinds, catalogue and commands.
// A test compares them; what they hold is decided in scripts/docs/.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { importTypeScript } from './import-typescript.mjs';
import { root } from './places.mjs';

const [what] = process.argv.slice(2);
const { generatedSchemas, generatedPages } = await importTypeScript(join(root, 'scripts/docs/generated-files.ts'));
const files = what === 'schemas' ? await generatedSchemas(root) : await generatedPages(root);
for (const { path, text } of files) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  console.log(path);
}
