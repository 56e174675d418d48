// Bundles the command line and the embedded worker into dist/ and records what was built in dist/build.json.
// Equal sources give equal bytes: the worker's digest enters the keys of stages, so nothing here may vary by time or machine.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const readJson = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

const shared = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  packages: 'external',
  outdir: 'dist',
  charset: 'utf8',
  legalComments: 'none',
  sourcemap: false,
  logLevel: 'warning',
};

const bundles = [
  // Split, so that a command loads only what it needs.
  { name: 'headgate', entry: 'src/cli/main.ts', options: { splitting: true, chunkNames: 'chunks/[name]-[hash]' } },
  // One file, so that one digest names all the code that runs a job.
  { name: 'worker', entry: 'src/backends/embedded/worker.ts', options: {} },
];

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
for (const { name, entry, options } of bundles) {
  if (!existsSync(join(root, entry))) {
    console.log(`build: ${entry} does not exist yet; dist/${name}.js was not built`);
    continue;
  }
  await build({ ...shared, ...options, entryPoints: { [name]: entry } });
}

const worker = join(dist, 'worker.js');
const manifest = {
  headgate: readJson('package.json').version,
  workerDigest: existsSync(worker) ? createHash('sha256').update(readFileSync(worker)).digest('hex') : null,
  onnxruntime: readJson('node_modules/onnxruntime-node/package.json').version,
};
writeFileSync(join(dist, 'build.json'), `${JSON.stringify(manifest, null, 2)}\n`);
