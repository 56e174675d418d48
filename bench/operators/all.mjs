// Every operator's rule, its cases against PyTorch and what ONNX's backend test data says of it, as a page:
//
//   HEADGATE_ONNX_TESTDATA=…/data node bench/operators/all.mjs     writes docs/results/operators.md
//
// The data is Debian's package libonnx-testdata (apt-get download libonnx-testdata; dpkg -x …).
import { join } from 'node:path';
import { importTypeScript } from '../../scripts/import-typescript.mjs';
import { root } from '../../scripts/places.mjs';

const { writePage } = await importTypeScript(join(root, 'bench/operators/page.ts'));
await writePage(root);
