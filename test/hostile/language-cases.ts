// Little text that stands for much: templates, loops, matrices and files that include each other, and conditions.
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { HostileCase } from './hostile-case.ts';
import { all, fifo, put, shell, stages, type Put } from './writing.ts';

const validate = ['validate', 'w.json'] as const;
const select = { kind: 'select' };

function workflow(name: string, content: object | string, says: string | RegExp, exit = 2): HostileCase {
  return { name, files: put('w.json', content), args: validate, exit, says };
}

function including(
  name: string,
  files: Put,
  says: string | RegExp,
  include: readonly string[] = ['a.json'],
  exit = 2,
): HostileCase {
  return {
    name,
    files: all(put('w.json', { name: 'x', include, stages: { s: select } }), files),
    args: validate,
    exit,
    says,
  };
}

const part = (include: readonly string[], stage = 'p'): object => ({ include, stages: { [stage]: select } });

/** Each template uses the one before ten times: 10^levels stages. */
function laughs(levels: number): object {
  const ten = (template: string): object =>
    Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`u${index}`, { kind: 'template', template }]));
  const templates = Object.fromEntries(
    Array.from({ length: levels }, (_, level) => [
      `t${level}`,
      level === 0 ? { stages: { s: select } } : { stages: ten(`t${level - 1}`) },
    ]),
  );
  return { name: 'x', templates, stages: { all: { kind: 'template', template: `t${levels - 1}` } } };
}

function loop(maxIterations: number, body: object): object {
  return {
    kind: 'loop',
    carry: {},
    body,
    until: { metrics: 'm.out', criteria: [{ metric: 'a', atLeast: 1 }] },
    maxIterations,
    onExhausted: 'last',
  };
}

const measure = shell('true', {}, { out: { type: 'metrics', path: 'm.json' } });
const gate = (expression: string): object =>
  stages({
    m: measure,
    g: {
      kind: 'gate',
      inputs: { metrics: 'm.out' },
      cases: [
        { name: 'a', expression },
        { name: 'b', else: true },
      ],
    },
  });

const many = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `i${index}`);

export const languageCases: readonly HostileCase[] = [
  including(
    'a file that includes itself',
    put('a.json', part(['a.json'])),
    'HG1721 these files include each other: a.json → a.json',
  ),
  including(
    'two files that include each other',
    all(put('a.json', part(['b.json'])), put('b.json', part(['a.json'], 'q'))),
    /HG\d+ /,
  ),
  including('a workflow that is included by what it includes', put('a.json', part(['w.json'])), /HG\d+ /),
  including(
    'a chain of 2,000 files, each including the next',
    (root) => {
      for (let index = 0; index < 2000; index++)
        put(index === 0 ? 'a.json' : `c${index}.json`, part([`c${index + 1}.json`], `p${index}`))(root);
      put('c2000.json', { stages: { end: select } })(root);
    },
    /valid|HG\d+ /,
    ['a.json'],
    2,
  ),
  including(
    'files that include two files each, thirty levels deep',
    (root) => {
      for (let level = 0; level < 30; level++) {
        const next = level === 29 ? [] : [`l${level + 1}.json`, `r${level + 1}.json`];
        for (const side of ['l', 'r']) put(`${side}${level}.json`, part(next, `${side}${level}`))(root);
      }
    },
    /valid|HG\d+ /,
    ['l0.json', 'r0.json'],
    0,
  ),
  including('a file above the root', put('a.json', '{}'), /HG\d+ /, ['../../../../etc/passwd']),
  including('an absolute file', put('a.json', '{}'), /HG\d+ /, ['/etc/passwd']),
  including('a link to a file above the root', (root) => symlinkSync('/etc/passwd', join(root, 'a.json')), /HG\d+ /),
  including('a pipe', fifo('a.json'), 'it is a pipe, not a file'),
  including('a folder', (root) => void mkdirSync(join(root, 'a.json')), 'it is a folder'),
  including('an included file with a NUL in its name', put('a.json', '{}'), /HG\d+ /, ['a\u0000.json']),
  including('the same file twice', put('a.json', part([])), 'w.json is valid', ['a.json', './a.json'], 0),
  including(
    'names that every object has, by inclusion',
    put('a.json', '{"stages":{"__proto__":{"kind":"select"}}}'),
    'HG1010',
  ),
  workflow('templates in templates, ten times each, nine levels deep', laughs(9), /HG\d+ .*100,?000/),
  workflow(
    'templates in templates, 500 levels deep',
    {
      name: 'x',
      templates: Object.fromEntries(
        Array.from({ length: 500 }, (_, level) => [
          `t${level}`,
          { stages: { s: level === 0 ? select : { kind: 'template', template: `t${level - 1}` } } },
        ]),
      ),
      stages: { a: { kind: 'template', template: 't499' } },
    },
    /valid|HG\d+ /,
    0,
  ),
  workflow(
    'a template that uses itself',
    {
      name: 'x',
      templates: { t: { stages: { s: { kind: 'template', template: 't' } } } },
      stages: { a: { kind: 'template', template: 't' } },
    },
    /HG\d+ /,
  ),
  workflow(
    'two templates that use each other',
    {
      name: 'x',
      templates: {
        t: { stages: { s: { kind: 'template', template: 'u' } } },
        u: { stages: { s: { kind: 'template', template: 't' } } },
      },
      stages: { a: { kind: 'template', template: 't' } },
    },
    /HG\d+ /,
  ),
  workflow(
    'a template named like a part of every object',
    '{"name":"x","templates":{"constructor":{"stages":{"s":{"kind":"select"}}}},"stages":{"a":{"kind":"template","template":"constructor"}}}',
    'HG1010',
  ),
  workflow(
    'a template that is inherited, not declared',
    { name: 'x', templates: {}, stages: { a: { kind: 'template', template: 'toString' } } },
    /HG\d+ /,
  ),
  workflow('a loop of a billion iterations', stages({ l: loop(1_000_000_000, { m: measure }) }), /HG\d+ /),
  workflow(
    'three loops in each other, a hundred times each',
    stages({ l: loop(100, { l: loop(100, { l: loop(100, { m: measure }), m: measure }), m: measure }) }),
    'HG1715',
  ),
  workflow('a loop of -1 iterations', stages({ l: loop(-1, { m: measure }) }), /HG\d+ /),
  workflow(
    'a matrix of 1,000 × 1,000 × 1,000',
    stages({ s: { kind: 'select', forEach: { matrix: { a: many(1000), b: many(1000), c: many(1000) } } } }),
    /HG\d+ .*100,?000/,
  ),
  workflow(
    'items that name parts of every object',
    stages({ s: { ...shell('true'), forEach: [{ key: 'a', toString: 1 }] } }),
    /valid|HG\d+/,
    0,
  ),
  workflow('a condition nested 10,000 deep', gate(`${'('.repeat(10_000)}true${')'.repeat(10_000)}`), /HG\d+ /),
  workflow('a condition of 1 MB', gate(Array.from({ length: 100_000 }, () => 'true').join(' && ')), /HG\d+ |valid/),
  workflow(
    'a condition that reaches for a constructor',
    gate('metrics.constructor.constructor("return 1")() == 1'),
    /HG\d+ /,
  ),
  workflow(
    'a condition over a million products',
    gate(
      '[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, a*b*c*d > 0))))',
    ),
    /HG\d+ |valid/,
    0,
  ),
  workflow(
    'a pattern for parameters that takes forever',
    {
      name: 'x',
      params: { a: `${'a'.repeat(64)}!` },
      paramsSchema: { properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
      stages: { s: select },
    },
    /HG\d+ /,
  ),
  workflow(
    'a schema for parameters that refers to itself',
    { name: 'x', params: { a: 1 }, paramsSchema: { $ref: '#' }, stages: { s: select } },
    /HG\d+ |valid/,
  ),
  workflow(
    'a schema for parameters from elsewhere',
    { name: 'x', params: { a: 1 }, paramsSchema: { $ref: 'http://127.0.0.1:9/schema.json' }, stages: { s: select } },
    /HG\d+ /,
  ),
];
