// Where the benchmarks find the project, and what is noted beside every result: the machine, its load, the versions.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, homedir, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from '../../scripts/places.mjs';

export const project = root;

/** Peers and workloads are big and can be made again: they live in the user's cache, never in the project. */
export const cacheFolder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'headgate-bench');

export function circumstances(scratch) {
  const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  return {
    date: new Date().toISOString(),
    machine: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    fileSystem: firstLine('findmnt', ['-n', '-o', 'FSTYPE', '-T', scratch]),
    node: process.version,
    headgate: `${version}, commit ${commit()}`,
    load: loadavg().map((load) => Number(load.toFixed(2))),
  };
}

function commit() {
  const short = firstLine('git', ['-C', project, 'rev-parse', '--short', 'HEAD']);
  const changed = firstLine('git', ['-C', project, 'status', '--porcelain', '--', 'src', 'schemas', 'package.json']);
  return changed === '' ? short : `${short} with changes`;
}

function firstLine(program, args) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0];
  } catch {
    return 'unknown';
  }
}
