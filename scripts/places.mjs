// Where the scripts find the project, and where they keep what only they read.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Goes away together with the installed packages. */
export const cacheFolder = join(root, 'node_modules', '.cache', 'headgate');
