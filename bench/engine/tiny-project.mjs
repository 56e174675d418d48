// The shipped strategy on tiny data, as the end-to-end tests use it: real training, in seconds.
import { join } from 'node:path';
import { importTypeScript } from '../../scripts/import-typescript.mjs';
import { project } from './project.mjs';

/** @returns {Promise<{makeProject: () => Promise<string>, removeProject: (root: string) => Promise<void>, writeWorkflow: Function}>} */
export async function tinyProjects() {
  const folder = join(project, 'test', 'e2e');
  // It finds the shipped workflows from where it stands.
  return importTypeScript(join(folder, 'tiny-project.ts'), {
    define: { 'import.meta.dirname': JSON.stringify(folder) },
    logLevel: 'error',
  });
}

/** Parameters under which every gate passes at once: for a look at a figure, not for its numbers. Such runs end early, too. */
export const SHORTEST = { thresholds: { accept: 1, fixed: 1, admit: 1, head: 1 } };
