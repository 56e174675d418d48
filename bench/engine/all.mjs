// Every figure, one after the other, each as its own command, saved; then the page. On a machine that does nothing else this
// takes about three quarters of an hour, most of it the peers' first runs.
//
//   node bench/engine/peers.mjs install && node bench/engine/all.mjs [--only no-op,cold] [--quick] [--into FILE]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { resultsFile } from './figure.mjs';
import { project } from './project.mjs';

/** The short ones first. With --quick: a look at every figure in a few minutes, too small to be published. */
const QUICK = {
  threshold: ['--repeat', '3'],
  'main-loop': [],
  verify: ['--mebibytes', '64', '--repeat', '3'],
  watch: ['--edits', '10', '--burst', '100', '--slow', '3'],
  sharing: ['--heads', '3'],
  'deep-chain': ['--stages', '100', '--deep', '300', '--repeat', '1'],
  'large-input': ['--mebibytes', '256', '--repeat', '3'],
  cold: ['--stages', '50', '--trial', '20', '--repeat', '1'],
  'no-op': ['--stages', '100', '--large', '300', '--repeat', '3'],
};

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(QUICK).join(',') },
    quick: { type: 'boolean', default: false },
    into: { type: 'string', default: resultsFile },
  },
});

const failed = [];
for (const key of options.only.split(',')) {
  const file = join('bench', 'engine', `${key}.mjs`);
  const args = [file, ...(options.quick ? QUICK[key] : []), '--save', '--into', options.into];
  const { status } = spawnSync(process.execPath, args, { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) failed.push(key);
}
const page = spawnSync(process.execPath, [join('bench', 'engine', 'page.mjs'), '--from', options.into], {
  cwd: project,
  stdio: 'inherit',
});
if (failed.length > 0) console.error(`not measured: ${failed.join(', ')}`);
process.exitCode = failed.length > 0 || page.status !== 0 ? 1 : 0;
