// Files that are no files, and folders that never end.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { HostileCase } from './hostile-case.ts';
import { all, fifo, file, put, shell, stages, type Put } from './writing.ts';

const validate = ['validate', 'w.json'] as const;
const sound = stages({ s: shell('true') }, { params: { a: 1 } });

function link(name: string, to: string): Put {
  return (root) => symlinkSync(to, join(root, name));
}

function folder(name: string): Put {
  return (root) => void mkdirSync(join(root, name), { recursive: true });
}

const writer = stages({ s: shell('echo 1 > "$OUT"') });

/** What may stand where a file is expected, and what is said of it. */
const strange: readonly (readonly [string, (name: string) => Put, RegExp])[] = [
  ['a folder', folder, /it is a folder/],
  ['a pipe that nobody writes to', fifo, /it is a pipe, not a file/],
  ['a link to itself', (name) => link(name, name), /its links lead in a circle/],
  ['a link to nothing', (name) => link(name, 'nowhere'), /there is no such file/],
  ['a link to /dev/zero', (name) => link(name, '/dev/zero'), /it is a device, not a file/],
  ['a link to /dev/null', (name) => link(name, '/dev/null'), /it is a device, not a file/],
];

/** A command that reads `data`; its folder may hold anything. */
const reader = stages({
  s: { kind: 'command', with: { argv: ['sh', '-c', 'echo 1 > "$0"', '{output:out}'], files: ['data'], outputs: file } },
});

function dataFolder(name: string, put_: Put, exit: number, says: string | RegExp): HostileCase {
  return {
    name: `a folder of data with ${name}`,
    files: all(put('w.json', reader), put('data/a.txt', 'a'), put_),
    args: ['run', 'w.json'],
    exit,
    says,
  };
}

const unixSocket =
  (name: string) =>
  async (root: string): Promise<void> => {
    put('w.json', reader)(root);
    put('data/a.txt', 'a')(root);
    const server = createServer().listen(join(root, name));
    await new Promise((heard) => server.once('listening', heard));
    server.unref();
  };

export const fileCases: readonly HostileCase[] = [
  ...strange.map(([what, make, says]): HostileCase => ({
    name: `${what} as the workflow`,
    files: make('w.json'),
    args: validate,
    exit: 2,
    says,
  })),
  ...strange.map(([what, make, says]): HostileCase => ({
    name: `${what} as the params file`,
    files: all(put('w.json', sound), make('p.json')),
    args: ['plan', 'w.json', '--params', 'p.json'],
    exit: 2,
    says,
  })),
  ...strange
    .filter(([what]) => !what.includes('folder'))
    .map(([what, make]): HostileCase => ({
      name: `${what} that is inspected`,
      files: make('thing'),
      args: ['inspect', 'thing'],
      exit: 2,
      says: /headgate: /,
    })),
  {
    name: 'a folder of links in a circle that is inspected',
    files: all(folder('data'), link('data/loop', '.'), put('data/a.txt', 'a')),
    args: ['inspect', 'data'],
    exit: 0,
    says: 'folder, 1 file',
  },
  {
    name: 'a workflow that nobody may read',
    files: put('w.json', sound),
    args: validate,
    exit: 2,
    says: 'permission denied',
    skip: process.getuid?.() === 0 ? 'root may read everything' : undefined,
  },
  { name: 'a path that is too long', args: ['validate', 'a/'.repeat(5000)], exit: 2, says: /HG1001/ },
  dataFolder('a link to itself', link('data/loop', 'loop'), 0, 'Succeeded'),
  dataFolder('a link to the folder above', link('data/up', '..'), 1, 'it leads back into itself'),
  dataFolder('a link to its own folder', link('data/again', '.'), 1, 'it leads back into itself'),
  dataFolder('a link to nothing', link('data/gone', 'nowhere'), 0, 'Succeeded'),
  dataFolder('a pipe', fifo('data/pipe'), 1, 'it is a pipe, a socket or a device'),
  dataFolder(
    'a name that is not UTF-8',
    (root) => writeFileSync(Buffer.from(join(root, 'data/caf\xe9'), 'latin1'), 'new'),
    1,
    'its name is not UTF-8: rename it',
  ),
  dataFolder('a link to /dev/zero', link('data/zero', '/dev/zero'), 1, 'it is a pipe, a socket or a device'),
  {
    name: 'a folder of data with a socket',
    files: unixSocket('data/socket'),
    args: ['run', 'w.json'],
    exit: 1,
    says: /data/,
  },
  {
    name: 'data that is a pipe itself',
    files: all(put('w.json', reader), fifo('data')),
    args: ['run', 'w.json'],
    exit: 1,
    says: /data/,
  },
  {
    name: 'data nested 500 folders deep',
    files: all(put('w.json', reader), (root) => {
      const deep = join(root, `data/${'d/'.repeat(500)}`);
      mkdirSync(deep, { recursive: true });
      writeFileSync(join(deep, 'a.txt'), 'a');
    }),
    args: ['run', 'w.json'],
    exit: 0,
    says: 'Succeeded',
  },
  {
    name: 'data outside the root, by a path that climbs and by a link',
    files: all(
      put(
        'project/w.json',
        stages({
          s: {
            kind: 'command',
            with: {
              argv: ['sh', '-c', 'cat ../outside.txt > "$0"', '{output:out}'],
              files: ['../outside.txt', 'linked.txt'],
              outputs: file,
            },
          },
        }),
      ),
      put('outside.txt', 'content'),
      link('project/linked.txt', '../outside.txt'),
    ),
    args: ['run', 'project/w.json', '--root', 'project'],
    exit: 0,
    says: 'Succeeded',
  },
  ...['../out.txt', '/etc/headgate', 'a/../../b', '..', '.', 'a/..'].map((path): HostileCase => ({
    name: `an output at ${path}`,
    files: put('w.json', stages({ s: shell('true', {}, { out: { type: 'file', path } }) })),
    args: validate,
    exit: 2,
    says: /HG1118 .*leaves the job's output folder|HG1118/,
  })),
  {
    name: 'an output path with a NUL',
    files: put('w.json', stages({ s: shell('true', {}, { out: { type: 'file', path: 'a\u0000b' } }) })),
    args: ['run', 'w.json'],
    exit: 2,
    says: 'HG1118',
  },
  {
    name: 'data with a NUL in its name',
    files: put(
      'w.json',
      stages({ s: { kind: 'command', with: { argv: ['true'], files: ['a\u0000b'], outputs: file } } }),
    ),
    args: ['run', 'w.json'],
    exit: 2,
    says: 'HG1502',
  },
  ...(['.headgate', '.headgate/objects', '.headgate/runs', '.headgate/actions'] as const).map((path): HostileCase => ({
    name: `a file where ${path} should be`,
    files: all(put('w.json', writer), put(path, 'a file')),
    args: ['run', 'w.json'],
    exit: 1,
    says: /(headgate|s failed): .*\n {2}help: /,
  })),
  {
    name: 'a store that is a link to itself',
    files: all(put('w.json', sound), link('.headgate', '.headgate')),
    args: ['run', 'w.json'],
    exit: 1,
    says: /headgate: .*\n {2}help: /,
  },
  {
    name: 'a root that does not exist',
    files: put('w.json', sound),
    args: ['plan', 'w.json', '--root', 'nowhere'],
    exit: 0,
    says: 'to run',
  },
  {
    name: 'a root that is a file',
    files: put('w.json', sound),
    args: ['run', 'w.json', '--root', 'w.json'],
    exit: 1,
    says: /headgate: .*\n {2}help: /,
  },
];
