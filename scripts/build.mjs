// Bundles the command line and the embedded worker into dist/ and records what was built in dist/build.json.
// Equal sources give equal bytes: the worker's digest enters the keys of stages, so nothing here may vary by time or machine.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { precompiledSchemas } from './compile-schemas.mjs';
import { markBuilt } from './stamps.mjs';
import { writeDeclarations } from './declarations.mjs';
import { cacheFolder, root } from './places.mjs';

const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** For other users of the clone too, whatever the umask is here. */
function makeReadable(path) {
  const isFolder = statSync(path).isDirectory();
  chmodSync(path, isFolder ? 0o755 : 0o644);
  if (isFolder) for (const name of readdirSync(path)) makeReadable(join(path, name));
}

// Built aside and put in place at once, so that a running engine never finds half a program.
mkdirSync(cacheFolder, { recursive: true });
const draft = mkdtempSync(join(cacheFolder, 'build-'));

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  // With what they import: looking packages up file by file takes longer than many a run. Native ones cannot be.
  packages: 'bundle',
  mainFields: ['module', 'main'],
  external: ['onnxruntime-node', 'sharp', 'ajv'],
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  outdir: draft,
  charset: 'utf8',
  legalComments: 'none',
  sourcemap: false,
  logLevel: 'warning',
  plugins: [precompiledSchemas],
};

const bundles = [
  // Split, so that a command loads only what it needs; what programs import shares the pieces.
  {
    entryPoints: { headgate: 'src/cli/main.ts', library: 'src/library/main.ts', qat: 'src/qat/main.ts' },
    options: {
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
    },
  },
  // One file, so that one digest names all the code that runs a job.
  { entryPoints: { worker: 'src/backends/embedded/worker.ts' }, options: {} },
];

try {
  for (const { entryPoints, options } of bundles) await build({ ...shared, ...options, entryPoints });
  writeDeclarations(join(draft, 'types'));
  const worker = join(draft, 'worker.js');
  const manifest = {
    headgate: readJson('package.json').version,
    workerDigest: createHash('sha256').update(readFileSync(worker)).digest('hex'),
    onnxruntime: readJson('node_modules/onnxruntime-node/package.json').version,
  };
  writeFileSync(join(draft, 'build.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  makeReadable(draft);
  const dist = join(root, 'dist');
  const old = `${draft}.old`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(draft, dist);
  rmSync(old, { recursive: true, force: true });
  markBuilt();
} catch (cause) {
  rmSync(draft, { recursive: true, force: true });
  // esbuild has already shown where and why.
  if (!Array.isArray(cause?.errors)) throw cause;
  process.exitCode = 1;
}
