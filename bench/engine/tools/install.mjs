// How a peer comes from its registry into a folder of its own, and what then starts it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const run = (program, args, cwd) => execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });

export function pipTool(name, wanted) {
  return {
    source: `pip ${name}==${wanted}`,
    home: (into) => join(into, name),
    bin: (into) => join(into, name, 'bin', name),
    install(into) {
      const home = join(into, name);
      run('python3', ['-m', 'venv', home]);
      run(join(home, 'bin', 'pip'), ['install', '--quiet', `${name}==${wanted}`]);
    },
    version: (into) =>
      /^Version: (.*)$/m.exec(
        execFileSync(join(into, name, 'bin', 'pip'), ['show', name], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        }),
      )?.[1],
  };
}

export function npmTool(name, wanted) {
  return {
    source: `npm ${name}@${wanted}`,
    home: (into) => join(into, name),
    bin: (into) => join(into, name, 'node_modules', '.bin', name),
    install(into) {
      const home = join(into, name);
      mkdirSync(home, { recursive: true });
      writeFileSync(join(home, 'package.json'), '{ "private": true }\n');
      run(
        'npm',
        ['install', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', `${name}@${wanted}`],
        home,
      );
    },
    version: (into) =>
      JSON.parse(
        execFileSync('npm', ['ls', '--json', '--depth=0'], {
          cwd: join(into, name),
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        }),
      ).dependencies[name].version,
  };
}

/** Debian's own package, for the whole machine: installed only where apt can be asked and one is root. */
export function aptTool(name) {
  const bin = `/usr/bin/${name}`;
  return {
    source: `apt ${name}`,
    home: () => '/usr',
    bin: () => bin,
    install() {
      if (!existsSync(bin)) run('apt-get', ['install', '--yes', '--no-install-recommends', name]);
    },
    version: () => execFileSync('dpkg-query', ['--show', '--showformat=${Version}', name], { encoding: 'utf8' }),
  };
}
