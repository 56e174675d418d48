// The program as it is shipped, built before the first test (build-first.mjs): what tests start as processes of their own.
import { join } from 'node:path';

export const dist = join(import.meta.dirname, '../../dist');

/** The script that Node runs as `headgate`. */
export const builtProgram = join(dist, 'headgate.js');

/** The script that runs an embedded job. */
export const builtWorker = join(dist, 'worker.js');
