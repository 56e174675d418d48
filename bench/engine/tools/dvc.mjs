// DVC: a stage in dvc.yaml per stage of the workload, without Git.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFiles } from '../workload.mjs';
import { pipTool } from './install.mjs';

const env = { DVC_NO_ANALYTICS: '1' };

export const dvc = {
  name: 'DVC',
  ...pipTool('dvc', '3.67.1'),
  choice: 'a stage in dvc.yaml each, `dvc init --no-scm`; it has no parallel repro',
  env,
  write(folder, stages, { bin }) {
    const entries = stages.map(({ name, needs, reads, writes, shell }) => [
      name,
      {
        cmd: writes === null ? `true ${name}` : shell,
        // Without files between them, `true` stages can only share the source.
        deps: [needs !== null && writes !== null ? `out/${needs}.txt` : reads],
        ...(writes === null ? {} : { outs: [writes] }),
      },
    ]);
    writeFiles(folder, { 'dvc.yaml': { stages: Object.fromEntries(entries) } });
    execFileSync(bin, ['init', '--no-scm', '--quiet', '--force'], { cwd: folder, env: { ...process.env, ...env } });
  },
  argv: ({ bin }) => [bin, 'repro', '--quiet'],
  // A cold run takes hours at 1,000 stages; the same state is recorded by making the files with a shell and committing them.
  shortcut: ({ bin, stages }) => [
    'sh',
    '-ec',
    [...stages.map(({ shell }) => shell), `exec '${bin}' commit --force --quiet`].join('\n'),
  ],
  forget(folder) {
    for (const path of ['dvc.lock', '.dvc/cache', '.dvc/tmp', 'out'])
      rmSync(join(folder, path), { recursive: true, force: true });
    mkdirSync(join(folder, 'out'));
  },
};
