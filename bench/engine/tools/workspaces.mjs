// Turborepo and Nx: a package per stage, which is what both call a unit of work; in a Git repository, which both hash by.
import { execFileSync } from 'node:child_process';
import { linkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { deriving, writeFiles } from '../workload.mjs';
import { npmTool } from './install.mjs';

const GIT = ['user.name=bench', 'user.email=bench@localhost', 'core.compression=0'].flatMap((one) => ['-c', one]);

function writeWorkspace(folder, home, [first], files) {
  writeFiles(folder, { '.gitignore': `node_modules\nout.txt\n.turbo\n.nx\n/${first.reads}\n`, ...files });
  // The source belongs to the package that reads it.
  linkSync(join(folder, first.reads), join(folder, 'packages', first.name, first.reads));
  symlinkSync(join(home, 'node_modules'), join(folder, 'node_modules'));
  const git = (...args) => execFileSync('git', [...GIT, ...args], { cwd: folder });
  git('init', '--quiet');
  git('add', '--all');
  git('commit', '--quiet', '--message', 'The workload');
}

/** The same derivation, with each stage's file in its own package. */
function inPackage({ name, needs, reads, writes, shell }) {
  return writes === null ? shell : deriving(name, needs === null ? reads : `../${needs}/out.txt`, 'out.txt');
}

function packages(stages, describe) {
  const files = {};
  for (const stage of stages)
    for (const [file, content] of Object.entries(describe(stage))) files[`packages/${stage.name}/${file}`] = content;
  return files;
}

export const turborepo = {
  name: 'Turborepo',
  ...npmTool('turbo', '2.11.11'),
  choice: 'a package per stage, dependsOn ^build; its scripts go through npm; `turbo run` has no daemon any more',
  env: { TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
  write(folder, stages, { home }) {
    const outputs = stages[0].writes === null ? [] : ['out.txt'];
    writeWorkspace(folder, home, stages, {
      'package.json': { name: 'workload', private: true, packageManager: 'npm@10.9.0', workspaces: ['packages/*'] },
      'turbo.json': { tasks: { build: { dependsOn: ['^build'], outputs } } },
      ...packages(stages, (stage) => ({
        'package.json': {
          name: stage.name,
          version: '1.0.0',
          scripts: { build: inPackage(stage) },
          dependencies: stage.needs === null ? {} : { [stage.needs]: '*' },
        },
      })),
    });
  },
  argv: ({ bin, jobs }) => [bin, 'run', 'build', `--concurrency=${jobs ?? 2}`, '--output-logs=none', '--no-color'],
  forget(folder) {
    rmSync(join(folder, '.turbo'), { recursive: true, force: true });
    execFileSync('find', ['packages', '-name', '.turbo', '-prune', '-exec', 'rm', '-r', '{}', '+'], { cwd: folder });
  },
};

const nxShared = {
  ...npmTool('nx', '24.0.6'),
  choice: 'a project per stage with nx:run-commands (no `npm run`), dependsOn ^build',
  write(folder, stages, { home }) {
    const outputs = stages[0].writes === null ? [] : ['{projectRoot}/out.txt'];
    writeWorkspace(folder, home, stages, {
      'package.json': { name: 'workload', private: true },
      'nx.json': {},
      ...packages(stages, (stage) => ({
        'project.json': {
          name: stage.name,
          implicitDependencies: stage.needs === null ? [] : [stage.needs],
          targets: {
            build: {
              executor: 'nx:run-commands',
              options: { command: inPackage(stage), cwd: `packages/${stage.name}` },
              cache: true,
              outputs,
              dependsOn: ['^build'],
            },
          },
        },
      })),
    });
  },
  argv: ({ bin, jobs }) => [bin, 'run-many', '-t', 'build', `--parallel=${jobs ?? 2}`, '--outputStyle=static'],
  forget: (folder) => rmSync(join(folder, '.nx'), { recursive: true, force: true }),
};

const nxEnv = { NX_NO_CLOUD: 'true', NX_TUI: 'false', NX_SKIP_LOG_GROUPING: 'true' };

export const nx = { name: 'Nx without daemon', ...nxShared, env: { ...nxEnv, NX_DAEMON: 'false' } };
export const nxDaemon = {
  name: 'Nx with daemon',
  ...nxShared,
  env: { ...nxEnv, NX_DAEMON: 'true' },
  stop: ({ bin, folder }) => execFileSync(bin, ['daemon', '--stop'], { cwd: folder, stdio: 'ignore' }),
};
