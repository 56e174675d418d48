// Wireit: a script per stage in one package.json, as its README does; it can only be called through npm.
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { writeFiles } from '../workload.mjs';
import { npmTool } from './install.mjs';

export const wireit = {
  name: 'Wireit',
  ...npmTool('wireit', '0.14.13'),
  choice: 'a script per stage in one package.json and one that needs all; called by `npm run`, its local cache on',
  write(folder, stages, { home }) {
    const scripts = stages.map(({ name, needs, reads, writes, shell }) => [
      name,
      {
        command: shell,
        dependencies: needs === null ? [] : [needs],
        files: needs === null ? [reads] : [],
        output: writes === null ? [] : [writes],
      },
    ]);
    const all = { dependencies: stages.map(({ name }) => name) };
    writeFiles(folder, {
      'package.json': {
        name: 'workload',
        private: true,
        scripts: Object.fromEntries([['all', 'wireit'], ...scripts.map(([name]) => [name, 'wireit'])]),
        wireit: Object.fromEntries([['all', all], ...scripts]),
      },
    });
    symlinkSync(join(home, 'node_modules'), join(folder, 'node_modules'));
  },
  env: {},
  argv: () => ['npm', 'run', '--silent', 'all'],
  jobsEnv: (jobs) => ({ WIREIT_PARALLEL: String(jobs) }),
  forget: (folder) => rmSync(join(folder, '.wireit'), { recursive: true, force: true }),
};
