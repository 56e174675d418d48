// Every operator's rule, its cases against PyTorch and what ONNX's backend test data says of it, as a page:
//
//   HEADGATE_ONNX_TESTDATA=…/data node bench/operators/all.mjs     writes docs/results/operators.md
//
// The data is Debian's package libonnx-testdata (apt-get download libonnx-testdata; dpkg -x …).
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { cacheFolder, root } from '../../scripts/places.mjs';

const outfile = join(cacheFolder, `operators-${process.pid}.mjs`);
mkdirSync(dirname(outfile), { recursive: true });
await build({
  entryPoints: [join(root, 'bench/operators/page.ts')],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  logLevel: 'warning',
});
const { writePage } = await import(pathToFileURL(outfile).href);
await writePage(root);
