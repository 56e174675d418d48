// A store that something else has written into: whatever is found there, outputs are right, and what is broken is found.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import type { Begin, HostileCase } from './hostile-case.ts';
import { all, below, file, put, shell, stages, type Put } from './writing.ts';

const run = ['run', 'w.json'] as const;
const tree = { out: { type: 'dataset', path: 'set' } };
const workflow = stages({
  first: shell('echo one > "$OUT"'),
  set: shell('mkdir "$OUT"; echo a > "$OUT/a"; echo b > "$OUT/b"', {}, tree),
  last: {
    kind: 'command',
    inputs: { one: 'first.out', set: 'set.out' },
    with: {
      argv: ['sh', '-c', 'cat "$1" "$2/a" "$2/b" > "$0"', '{output:out}', '{input:one}', '{input:set}'],
      outputs: file,
    },
  },
});

const ranWell: Begin = { files: put('w.json', workflow), args: run };

/** After a good run something is spoilt; the run after it must end well and give the same file. */
function spoilt(name: string, spoil: Put, more: Partial<HostileCase> = {}): HostileCase {
  return {
    name,
    begin: ranWell,
    files: spoil,
    args: ['run', 'w.json', '--force', 'last'],
    exit: 0,
    says: 'Succeeded',
    after: (root) => {
      const text = readFileSync(join(root, '.headgate/out/demo/last.out.txt'), 'utf8');
      if (text !== 'one\na\nb\n') throw new Error(`the output is ${JSON.stringify(text)}`);
    },
    ...more,
  };
}

/** Every file of a part of the store, given over to `spoil`. */
function each(part: string, spoil: (path: string) => void): Put {
  return (root) => {
    const paths = below(join(root, '.headgate', part));
    if (paths.length === 0) throw new Error(`there is nothing in ${part}`);
    for (const path of paths) spoil(path);
  };
}

function replaced(make: (path: string) => void): (path: string) => void {
  return (path) => {
    rmSync(path, { recursive: true });
    make(path);
  };
}

const overwritten = (text: string): ((path: string) => void) => replaced((path) => writeFileSync(path, text));
const asFolder = replaced((path) => void mkdirSync(join(path, 'inner'), { recursive: true }));
const asPipe = replaced((path) => void execFileSync('mkfifo', [path]));
const asLoop = replaced((path) => symlinkSync(path, path));
const asLinkOut = replaced((path) => symlinkSync('/etc/hostname', path));
const asDevice = replaced((path) => symlinkSync('/dev/zero', path));

const kinds: readonly (readonly [string, (path: string) => void])[] = [
  ['empty', overwritten('')],
  ['garbage', overwritten('\u0000\u0001 not json {{{')],
  [
    'JSON of another shape',
    overwritten('{"format":"headgate-action","version":1,"preImage":[],"outputs":7,"stages":[]}'),
  ],
  ['null', overwritten('null')],
  ['folders', asFolder],
  ['pipes', asPipe],
  ['links to themselves', asLoop],
  ['links to another file', asLinkOut],
  ['links to /dev/zero', asDevice],
];

/** What stands for all of them where nothing but a cache or a story is at stake. */
const few = kinds.filter(([what]) => ['garbage', 'folders', 'pipes', 'links to themselves'].includes(what));

function inRun(spoil: (folder: string) => void): Put {
  return (root) => {
    const runs = join(root, '.headgate/runs');
    for (const name of readdirSync(runs)) spoil(join(runs, name));
  };
}

export const storeCases: readonly HostileCase[] = [
  ...kinds.map(([what, spoil]) => spoilt(`action records that are ${what}`, each('actions', spoil))),
  ...kinds.map(([what, spoil]) => spoilt(`objects that are ${what}`, each('objects', spoil))),
  ...few.map(([what, spoil]) => spoilt(`newest keys that are ${what}`, each('latest', spoil))),
  ...few.map(([what, spoil]) =>
    spoilt(`a stat cache that is ${what}`, (root) => {
      const path = join(root, '.headgate/stat-cache');
      if (existsSync(path)) spoil(path);
    }),
  ),
  ...few
    .filter(([what]) => what !== 'folders')
    .map(([what, spoil]) =>
      spoilt(
        `journals that are ${what}`,
        inRun((folder) => spoil(join(folder, 'events.jsonl'))),
      ),
    ),
  ...few.map(([what, spoil]): HostileCase => ({
    ...spoilt(
      `journals that are ${what}, asked for`,
      inRun((folder) => spoil(join(folder, 'events.jsonl'))),
    ),
    args: ['status'],
    exit: 2,
    says: 'no run has a readable journal',
  })),
  {
    ...spoilt(
      'a journal of one line of 100 MB',
      inRun((folder) => writeFileSync(join(folder, 'events.jsonl'), 'x'.repeat(100 * 1024 * 1024))),
    ),
    args: ['status'],
    exit: 2,
    says: 'no run has a readable journal',
  },
  spoilt(
    'a stat cache that lies about every object',
    (root) => {
      const path = join(root, '.headgate/stat-cache');
      const text = readFileSync(path, 'utf8');
      const cache = JSON.parse(text.slice(text.indexOf('\n') + 1)) as { objects: unknown };
      cache.objects = below(join(root, '.headgate/objects')).map((object) => {
        chmodSync(object, 0o644);
        writeFileSync(object, 'forged');
        const { size, mtimeNs, ino } = statSync(object, { bigint: true });
        return [basename(object), `${size}:${mtimeNs}:${ino}`];
      });
      const lie = JSON.stringify(cache);
      writeFileSync(path, `${createHash('sha256').update(lie).digest('hex')}\n${lie}`);
    },
    { says: 'damaged object' },
  ),
  ...[
    '{"pid":1,"startTime":null}',
    '{"pid":-1,"startTime":"1"}',
    '{"pid":0,"startTime":null}',
    '{"pid":1e308,"startTime":null}',
    '{"pid":"1"}',
    '[]',
    'garbage',
    '',
  ].map((lock) =>
    spoilt(
      `a run's lock that says ${lock === '' ? 'nothing' : lock}`,
      inRun((folder) => writeFileSync(join(folder, 'lock.json'), lock)),
    ),
  ),
  spoilt(
    'run folders with odd names',
    all(
      put('.headgate/runs/x', 'a file'),
      put('.headgate/runs/99999999-999999999-ffff', 'a file'),
      put('.headgate/runs/\u001b[2J/events.jsonl', ''),
      put('.headgate/runs/20200101-000000000-aaaa/events.jsonl', '{"type":"run-started"}\n{"type":7}\n'),
    ),
  ),
  ...[
    'garbage',
    '{"engine":{"pid":1,"startTime":null},"jobFolder":"/etc"}',
    '{"engine":{"pid":4194304,"startTime":"1"},"job":{"pid":1,"startTime":null},"jobFolder":".."}',
  ].map((claim) =>
    spoilt(`claims that say ${claim}`, (root) => {
      for (const path of below(join(root, '.headgate/actions')))
        put(`.headgate/claims/${path.slice(-69, -5)}.json`, claim)(root);
    }),
  ),
  spoilt(
    'drafts of processes that never were',
    all(
      put('.headgate/drafts/object.draft-1-abc', 'x'),
      put('.headgate/drafts/object.draft-NaN-', 'x'),
      put('.headgate/drafts/sub/x', 'x'),
    ),
  ),
  spoilt('resume states that are garbage', (root) => {
    for (const path of below(join(root, '.headgate/actions'))) {
      const key = path.slice(-69, -5);
      put(`.headgate/resume/${key}/000001/state`, 'garbage')(root);
      put(`.headgate/resume/${key}/000002`, 'a file')(root);
      put(`.headgate/resume/${key}/odd name`, 'a file')(root);
    }
  }),
  // An earlier program laid trees out there, and its store is still read.
  spoilt('a folder of trees that an earlier program laid out', (root) => {
    put('.headgate/trees/aa/aa00/a', 'forged')(root);
  }),
];
