import { describe, expect, it } from 'vitest';
import { locate, toJson } from '../../src/diagnostics/located-json.ts';
import { sourceDocument } from '../../src/diagnostics/source.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import { substitute } from '../../src/expression/substitution.ts';
import type { Scope } from '../../src/expression/substitution.ts';
import type { Json } from '../../src/support/json.ts';

const at = { source: sourceDocument('w.json', '{}'), offset: 0, length: 2 };
const scope: Scope = {
  params: { a: { b: 1 }, policy: 'all', none: null, list: ['w4a4', 'w8a8', 'w8a16'] },
  iteration: 1,
  item: { key: 'detection', fields: { qat: { epochs: 3 } } },
  profile: { name: 'w8a8', fields: { onLow: 'stop' } },
};

function run(value: Json, inside: Scope = scope): Json | readonly string[] | undefined {
  const problems: Diagnostic[] = [];
  const node = substitute(locate(value, at), inside, problems);
  return node === undefined ? problems.map((problem) => problem.code) : toJson(node);
}

describe('a substitution object stands for', () => {
  it.each<[string, Json, Json]>([
    ['a parameter', { $param: 'a.b' }, 1],
    ['a whole object of parameters', { x: [{ $param: 'a' }] }, { x: [{ b: 1 }] }],
    ['a field of the item', { $each: 'qat.epochs' }, 3],
    ['the key of the item', { $key: true }, 'detection'],
    ['a field of the profile', { $profile: 'onLow' }, 'stop'],
    ['an equality', { $equals: [{ $param: 'policy' }, 'all'] }, true],
    [
      'an equality of objects, whatever the order of keys',
      {
        $equals: [
          { x: 1, y: 2 },
          { y: 2, x: 1 },
        ],
      },
      true,
    ],
    ['an item of a list', { $item: [{ $param: 'list' }, { $iteration: true }] }, 'w8a8'],
    ['the length of a list', { $length: { $param: 'list' } }, 3],
    ['a choice', { $choose: [{ $equals: [1, 2] }, 'a', 'b'] }, 'b'],
  ])('%s', (_, written, expected) => {
    expect(run(written)).toEqual(expected);
  });

  it('nothing when it is null: the setting is left out', () => {
    expect(run({ folder: { $param: 'none' }, kept: null })).toEqual({ kept: null });
  });
});

describe('a substitution object is refused when', () => {
  it.each<[string, Json, string]>([
    ['the parameter does not exist', { $param: 'a.c' }, 'HG1201'],
    ['the path leads to a prototype', { $param: 'a.constructor' }, 'HG1201'],
    ['its name is unknown', { $parm: 'a.b' }, 'HG1205'],
    ['something stands beside it', { $param: 'a.b', other: 1 }, 'HG1206'],
    ['its operand has the wrong form', { $equals: [1] }, 'HG1207'],
    ['the item has no such field', { $each: 'qat.epoch' }, 'HG1209'],
    ['the profile has no such field', { $profile: 'onlow' }, 'HG1212'],
    ['there is no such item', { $item: [{ $param: 'list' }, 3] }, 'HG1224'],
    ['the list is empty', { $item: [[], 0] }, 'HG1224'],
    ['an index is below 0', { $item: [{ $param: 'list' }, -1] }, 'HG1223'],
    ['an index is no whole number', { $item: [{ $param: 'list' }, 0.5] }, 'HG1223'],
    ['what should have items has none', { $item: [{ $param: 'policy' }, 0] }, 'HG1222'],
    ['what should have a length has none', { $length: { $param: 'a' } }, 'HG1222'],
    ['an item has no index', { $item: [{ $param: 'list' }] }, 'HG1207'],
    ['a condition is no truth value', { $choose: [1, 2, 3] }, 'HG1217'],
  ])('%s', (_, written, code) => {
    expect(run(written)).toEqual([code]);
  });

  it('there is no item, or no profile', () => {
    const bare: Scope = { params: {} };
    expect(run({ $each: 'x' }, bare)).toEqual(['HG1208']);
    expect(run({ $key: true }, bare)).toEqual(['HG1208']);
    expect(run({ $profile: 'x' }, bare)).toEqual(['HG1211']);
    expect(run({ $each: 'x' }, { params: {}, item: { key: 'word', fields: undefined } })).toEqual(['HG1220']);
  });

  it('every problem is found, not only the first', () => {
    expect(run([{ $param: 'x' }, { $each: 'y' }])).toEqual(['HG1201', 'HG1209']);
  });

  it('the side that was not chosen is wrong: it is not looked at', () => {
    expect(run({ $choose: [true, 'a', { $param: 'no' }] })).toBe('a');
  });
});
