// The shipped strategy on tiny data, as the end-to-end tests use it: real training, in seconds.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { cacheFolder } from '../../scripts/places.mjs';
import { project } from './project.mjs';

/** @returns {Promise<{makeProject: () => Promise<string>, removeProject: (root: string) => Promise<void>, writeWorkflow: Function}>} */
export async function tinyProjects() {
  const source = join(project, 'test', 'e2e', 'tiny-project.ts');
  const outfile = join(cacheFolder, 'bench', `tiny-project-${process.pid}.mjs`);
  mkdirSync(join(cacheFolder, 'bench'), { recursive: true });
  await build({
    entryPoints: [source],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    // It finds the shipped workflows from where it stands.
    define: { 'import.meta.dirname': JSON.stringify(join(project, 'test', 'e2e')) },
    logLevel: 'error',
  });
  return import(pathToFileURL(outfile).href);
}

/** Parameters under which every gate passes at once: for a look at a figure, not for its numbers. */
export const SHORTEST = { thresholds: { accept: 1, fixed: 1, admit: 1, head: 1 } };
