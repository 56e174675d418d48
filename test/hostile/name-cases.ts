// Names that mean something to JavaScript, to file systems or to terminals.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { HostileCase } from './hostile-case.ts';
import { all, file, put, shell, stages } from './writing.ts';

const validate = ['validate', 'w.json'] as const;
const inherited = ['__proto__', 'constructor', 'prototype'];
/** Names that every object has and that are allowed. */
const borrowed = ['toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf'];
const escape = '\\u001b[2J\\u001b]0;owned\\u0007';

const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

const sound = stages({ s: shell('echo hi > "$OUT"') }, { params: { a: { b: 1 }, open: {}, t: 'x' } });

function keyed(place: string, text: (key: string) => string): readonly HostileCase[] {
  return inherited.map((key) => ({
    name: `"${key}" as ${place}`,
    files: put('w.json', text(key)),
    args: validate,
    exit: 2,
    says: new RegExp(`HG1010 "${key}" cannot be a key`),
  }));
}

export const nameCases: readonly HostileCase[] = [
  ...keyed(
    'a parameter',
    (key) => `{"name":"x","params":{"${key}":{"polluted":true}},"stages":{"s":{"kind":"select"}}}`,
  ),
  ...keyed('a stage', (key) => `{"name":"x","stages":{"${key}":{"kind":"select"}}}`),
  ...keyed('a task', (key) => `{"name":"x","tasks":{"${key}":{}},"stages":{"s":{"kind":"select"}}}`),
  ...keyed('a profile', (key) => `{"name":"x","profiles":{"${key}":{}},"stages":{"s":{"kind":"select"}}}`),
  ...keyed(
    'an output',
    (key) =>
      `{"name":"x","stages":{"s":{"kind":"command","with":{"argv":["true"],"outputs":{"${key}":{"type":"file","path":"a"}}}}}}`,
  ),
  ...inherited.flatMap((key): readonly HostileCase[] => [
    {
      name: `"${key}" in --set`,
      files: put('w.json', sound),
      args: [...validate, '--set', `${key}.polluted=1`],
      exit: 2,
      says: 'HG1010',
    },
    {
      name: `"${key}" in --set of an open table`,
      files: put('w.json', sound),
      args: [...validate, '--set', `open.${key}=1`],
      exit: 2,
      says: 'HG1010',
    },
    {
      name: `"${key}" in a params file`,
      files: all(put('w.json', sound), put('p.json', `{"open":{"${key}":{"polluted":1}}}`)),
      args: [...validate, '--params', 'p.json'],
      exit: 2,
      says: 'HG1010',
    },
  ]),
  {
    name: 'a path of a parameter through a prototype',
    files: put(
      'w.json',
      stages({ s: shell('true', { seed: { $param: 'a.constructor.length' } }) }, { params: { a: {} } }),
    ),
    args: validate,
    exit: 2,
    says: 'HG1201',
  },
  {
    name: 'names that every object has, for ports, items, parameters and tokens',
    files: put(
      'w.json',
      stages(
        {
          made: shell('echo 1 > "$OUT"', {
            forEach: ['valueOf', 'constructor', '0'],
            resources: { hasOwnProperty: 1 },
          }),
          taken: {
            kind: 'command',
            inputs: { isPrototypeOf: 'made[constructor].out' },
            with: {
              argv: ['cp', '{input:isPrototypeOf}', '{output:toString}'],
              outputs: { toString: { type: 'file', path: 'valueOf' } },
            },
          },
        },
        { params: Object.fromEntries(borrowed.map((name) => [name, 1])) },
      ),
    ),
    args: ['run', 'w.json', '--set', 'toString=2'],
    exit: 0,
    says: /Succeeded: \d ran, \d cached, 0 not taken/,
  },
  {
    name: 'stages named like parts of every object',
    files: put('w.json', stages(Object.fromEntries(borrowed.map((name) => [name, shell('echo 1 > "$OUT"')])))),
    args: ['run', 'w.json'],
    exit: 0,
    // Equal commands have one key: who comes first runs.
    says: /Succeeded: \d ran, \d cached, 0 not taken/,
  },
  ...borrowed.map((key): HostileCase => ({
    name: `a reference to the undeclared port "${key}"`,
    files: put('w.json', stages({ a: shell('true'), b: { kind: 'select', inputs: { x: `a.${key}` } } })),
    args: validate,
    exit: 2,
    says: 'HG1105',
  })),
  {
    name: 'a stage that asks for the undeclared stage "constructor"',
    files: put('w.json', stages({ b: { kind: 'select', inputs: { x: 'constructor.out' } } })),
    args: validate,
    exit: 2,
    says: 'HG1104',
  },
  ...['../../up', 'a/b', '.', 'a b', 'ä', 'CON\u0000'].map((name): HostileCase => ({
    name: `a stage named ${JSON.stringify(name)}`,
    files: put('w.json', stages({ [name]: { kind: 'select' } })),
    args: validate,
    exit: 2,
    says: 'HG1116',
  })),
  {
    name: 'a workflow whose name climbs out',
    files: put('w.json', { ...sound, name: '../../../escaped' }),
    args: ['run', 'w.json'],
    exit: 0,
    says: 'Succeeded',
    after: (root) => {
      if (existsSync(join(root, '../escaped'))) throw new Error('it climbed out');
    },
  },
  {
    name: 'a workflow named ..',
    files: put('w.json', { ...sound, name: '..' }),
    args: ['run', 'w.json'],
    exit: 0,
    says: 'Succeeded',
    after: (root) => {
      if (existsSync(join(root, '.headgate/s.out.txt'))) throw new Error('its files are not in a folder of its own');
    },
  },
  {
    name: 'terminal escapes in an unknown key',
    files: put('w.json', `{"name":"x","${escape}":1,"stages":{"s":{"kind":"select"}}}`),
    args: validate,
    exit: 2,
    says: 'HG1111',
    hides: controls,
  },
  {
    name: 'raw terminal escapes in the text',
    files: put('w.json', '{"name": "\u001b[2J\u001b]0;owned\u0007", \u001b[8m }'),
    args: validate,
    exit: 2,
    says: 'HG1005',
    hides: controls,
  },
  {
    name: 'text turned around (bidirectional overrides) in a name',
    files: put('w.json', '{"name":"x","\\u202e\\u2066":1,"stages":{"s":{"kind":"select"}}}'),
    args: validate,
    exit: 2,
    says: 'HG1111',
    hides: controls,
  },
  {
    name: 'terminal escapes in the name of a workflow that runs',
    files: put('w.json', `{"name":"${escape}","stages":{"s":{"kind":"select"}}}`),
    args: ['run', 'w.json'],
    exit: 0,
    says: 'Succeeded',
    hides: controls,
  },
  {
    name: 'terminal escapes in what a failing program prints',
    files: put('w.json', stages({ s: shell(`printf '\\033[2J\\033]0;owned\\007\\302\\233A' >&2; exit 3`) })),
    args: ['run', 'w.json'],
    exit: 1,
    says: 'the command ended with exit code 3',
    hides: controls,
  },
  {
    name: 'terminal escapes in the reason of a stop',
    files: all(
      put(
        'w.json',
        `{"name":"x","stages":{
        "m": {"kind":"command","with":{"argv":["cp","m.json","{output:m}"],"files":["m.json"],"outputs":{"m":{"type":"metrics","path":"m.json"}}}},
        "g": {"kind":"gate","inputs":{"metrics":"m.m"},"cases":[{"name":"go","criteria":[{"metric":"a","atLeast":2}]},{"name":"no","else":true}]},
        "t": {"kind":"stop","after":"g:no","with":{"reason":"done${escape}"}}}}`,
      ),
      put('m.json', '{"format":"headgate-metrics","version":1,"task":"t\\u001b[2J","primary":"a","values":{"a":1}}'),
    ),
    args: ['run', 'w.json'],
    exit: 3,
    says: 'Stopped by t',
    hides: controls,
  },
  {
    name: 'terminal escapes in an argument of the call',
    args: ['validate', '\u001b[2Jnone.json'],
    exit: 2,
    says: 'HG1001',
    hides: controls,
  },
  {
    name: 'terminal escapes in a stage that is asked for',
    files: put('w.json', sound),
    args: ['plan', 'w.json', '--until', '\u001b[2Js'],
    exit: 2,
    says: 'is not in this workflow',
    hides: controls,
  },
  {
    name: 'outputs whose paths hold a line break and an escape',
    files: put(
      'w.json',
      stages({ s: shell('echo 1 > "$OUT"', {}, { out: { ...file.out, path: 'a\n\u001b[2Jb.txt' } }) }),
    ),
    args: ['run', 'w.json'],
    exit: 0,
    says: 'Succeeded',
    hides: controls,
  },
];
