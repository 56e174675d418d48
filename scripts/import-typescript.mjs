// Imports a TypeScript module with all it needs of the project, bundled into the cache first; libraries stay outside.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { cacheFolder } from './places.mjs';

/**
 * @param {string} source absolute
 * @param {{define?: Record<string, string>, logLevel?: "error" | "warning"}} [options] of esbuild
 */
export async function importTypeScript(source, options = {}) {
  const name = source.replace(/^.*[\\/]|\.ts$/g, '');
  const outfile = join(cacheFolder, `${name}-${process.pid}.mjs`); // its folder is made by esbuild
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
    ...options,
  });
  return import(pathToFileURL(outfile).href);
}
