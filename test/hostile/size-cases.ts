// Too much of everything. Made when the test runs: nothing large is kept.
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { HostileCase } from './hostile-case.ts';
import { all, put, shell, stages, type Put } from './writing.ts';

const validate = ['validate', 'w.json'] as const;
const MiB = 1024 * 1024;
const select = '{"kind":"select"}';
const sound = stages({ s: shell('true') }, { params: { a: 1 } });

/** As long as it says, without bytes on the disk. */
function sparse(name: string, bytes: number): Put {
  return (root) => {
    const opened = openSync(join(root, name), 'w');
    ftruncateSync(opened, bytes);
    closeSync(opened);
  };
}

function repeated(count: number, item: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => item(index)).join(',');
}

/** Near the most that is read (8 MiB), what a text is read into takes its room. */
const FULL_MEGABYTES = 600;

function workflow(name: string, text: string, says: string | RegExp, exit = 2): HostileCase {
  const full = text.length > MiB ? { megabytes: FULL_MEGABYTES } : {};
  return { name, files: put('w.json', text), args: validate, exit, says, ...full };
}

export const sizeCases: readonly HostileCase[] = [
  {
    name: '100 MB of JSON',
    files: put('w.json', `{"a":[${'1,'.repeat(50 * MiB)}1]}`),
    args: validate,
    exit: 2,
    says: 'HG1002',
  },
  { name: 'a workflow of 1 TB', files: sparse('w.json', 2 ** 40), args: validate, exit: 2, says: 'HG1002' },
  {
    name: 'a params file of 100 MB',
    files: all(put('w.json', sound), sparse('p.json', 100 * MiB)),
    args: [...validate, '--params', 'p.json'],
    exit: 2,
    says: 'HG1002',
  },
  workflow('1,000,000 stages', `{"name":"x","stages":{${repeated(1_000_000, (i) => `"s${i}":${select}`)}}}`, 'HG1002'),
  workflow(
    '250,000 stages of an unknown kind',
    `{"name":"x","stages":{${repeated(250_000, (i) => `"s${i}":{"kind":"selekt"}`)}}}`,
    /HG1219|HG15/,
  ),
  workflow(
    '20,000 stages that refer to stages that do not exist',
    `{"name":"x","stages":{${repeated(20_000, (i) => `"s${i}":{"kind":"select","inputs":{"x":"t${i}.y"}}`)}}}`,
    'HG1104',
  ),
  workflow(
    '300,000 parameters',
    `{"name":"x","params":{${repeated(300_000, (i) => `"p${i}":1`)}},"stages":{"s":${select}}}`,
    'w.json is valid',
    0,
  ),
  workflow(
    '300,000 unknown keys',
    `{"name":"x",${repeated(300_000, (i) => `"k${i}":1`)},"stages":{"s":${select}}}`,
    'HG1111',
  ),
  workflow(
    'a list of 1,000,000 numbers where words are expected',
    `{"name":"x","stages":{"s":{"kind":"select","forEach":[${repeated(1_000_000, () => '1')}]}}}`,
    'HG1',
  ),
  workflow(
    'a fan-out over 200,000 items of a parameter',
    `{"name":"x","params":{"many":[${repeated(200_000, (i) => `"i${i}"`)}]},"stages":{"s":{"kind":"select","forEach":{"$param":"many"}}}}`,
    'HG1715',
  ),
  workflow(
    'two fan-outs in each other, over 1,000 items each',
    `{"name":"x","templates":{"t":{"stages":{"s":{"kind":"select","forEach":[${repeated(1000, (i) => `"i${i}"`)}]}}}},"stages":{"a":{"kind":"template","template":"t","forEach":[${repeated(1000, (i) => `"i${i}"`)}]}}}`,
    'HG1715',
  ),
  workflow(
    'an order of 100,000 stages that wait for each other in a circle',
    `{"name":"x","stages":{${repeated(50_000, (i) => `"s${i}":{"kind":"select","after":"s${(i + 1) % 50_000}"}`)}}}`,
    'HG1501',
  ),
  workflow(
    'a chain of 50,000 stages',
    `{"name":"x","stages":{${repeated(50_000, (i) => (i === 0 ? `"s0":${select}` : `"s${i}":{"kind":"select","after":"s${i - 1}"}`))}}}`,
    'w.json is valid',
    0,
  ),
  workflow('a name of 7 MB', `{"name":"${'x'.repeat(7 * MiB)}","stages":{"s":${select}}}`, /valid|HG1/, 0),
  workflow('an unknown key of 4 MB', `{"name":"x","${'k'.repeat(4 * MiB)}":1,"stages":{"s":${select}}}`, 'HG1111'),
  workflow(
    'a stage of 1 MB, and one of as much that is not there',
    `{"name":"x","stages":{"${'a'.repeat(MiB)}":${select},"b":{"kind":"select","after":"${'c'.repeat(MiB)}"}}}`,
    'HG1104',
  ),
  workflow(
    'a timeout that a slow pattern would choke on',
    `{"name":"x","stages":{"s":{"kind":"select","timeout":"${'1'.repeat(MiB)}.${'1'.repeat(MiB)}"}}}`,
    'HG1117',
  ),
  workflow(
    'a reference that a slow pattern would choke on',
    `{"name":"x","stages":{"s":{"kind":"select","inputs":{"x":"${'a'.repeat(MiB)}[${'b'.repeat(MiB)}].${'c-'.repeat(MiB / 2)}!"}}}}`,
    'HG1101',
  ),
  workflow(
    '100,000 placeholders in one argument',
    `{"name":"x","stages":{"s":{"kind":"command","with":{"argv":["true","${'{input:'.repeat(100_000)}"],"outputs":{"o":{"type":"file","path":"p"}}}}}}`,
    'w.json is valid',
    0,
  ),
  workflow(
    '100,000 wrong placeholders in one argument',
    `{"name":"x","stages":{"s":{"kind":"command","with":{"argv":["true","${'{input:a}'.repeat(100_000)}"],"outputs":{"o":{"type":"file","path":"p"}}}}}}`,
    'HG1118',
  ),
  workflow(
    '10,000 alternatives of a join',
    `{"name":"x","stages":{"g":{"kind":"select"},"s":{"kind":"select","inputs":{"x":{"oneOf":[${repeated(10_000, () => '{"when":"g:a","from":"g.b"}')}]}}}}}`,
    'HG1',
  ),
  workflow(
    'a whole number beyond those that are exact',
    `{"name":"x","stages":{"s":{"kind":"command","seed":9007199254740993,"with":{"argv":["true"],"outputs":{"o":{"type":"file","path":"p"}}}}}}`,
    'HG12',
  ),
  {
    name: '10,000 words after --set',
    files: put('w.json', sound),
    args: [...validate, ...Array.from({ length: 10_000 }, () => '--set=a=2')],
    exit: 0,
    says: 'w.json is valid',
  },
  {
    name: '--set of a path of 10,000 steps',
    files: put('w.json', sound),
    args: [...validate, '--set', `${'a.'.repeat(10_000)}b=1`],
    exit: 2,
    says: /HG12/,
  },
  {
    name: '--set of a value nested 30,000 deep',
    files: put('w.json', sound),
    args: [...validate, '--set', `a=${'['.repeat(30_000)}`],
    exit: 2,
    says: 'HG1009',
  },
  ...['a', '=1', 'a..b=1', '.=1', 'a.=1'].map((text): HostileCase => ({
    name: `--set ${text}`,
    files: put('w.json', sound),
    args: [...validate, '--set', text],
    exit: 2,
    says: 'HG12',
  })),
];
