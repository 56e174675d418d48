// Node cannot run TypeScript everywhere yet: entries that tests start as processes of their own are bundled first.
import { build } from 'esbuild';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** The path of a runnable bundle of a TypeScript file of this repository. */
export async function bundleEntry(entry: string): Promise<string> {
  const name = createHash('sha256').update(entry).digest('hex').slice(0, 16);
  // Below node_modules, so that the bundle finds the packages it leaves out.
  const outfile = join(import.meta.dirname, '../../node_modules/.cache/headgate-test', `${name}-${process.pid}.mjs`);
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  return outfile;
}
