// The data set for workflows/mlsd.json from a folder of JPEG images (searched with its subfolders):
//
//   node bench/mlsd/prepare.mjs FROM TO
import { join, resolve } from 'node:path';
import { importTypeScript } from '../../scripts/import-typescript.mjs';
import { root } from '../../scripts/places.mjs';

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) {
  console.error('usage: node bench/mlsd/prepare.mjs FROM TO');
  process.exit(2);
}
const { prepare } = await importTypeScript(join(root, 'bench/mlsd/prepare.ts'));
for (const [split, count] of await prepare(resolve(from), resolve(to))) console.log(`${split}: ${count} images`);
