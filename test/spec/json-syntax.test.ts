import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toJson } from '../../src/diagnostics/located-json.ts';
import { positionOf, sourceDocument } from '../../src/diagnostics/source.ts';
import { maxDepth, parseJson } from '../../src/spec/json-syntax.ts';

function codes(text: string): readonly string[] {
  const parsed = parseJson(sourceDocument('w.json', text));
  return parsed.ok ? [] : parsed.error.map((d) => `${d.code}@${d.line}:${d.column}`);
}

const reserved = new Set(['__proto__', 'constructor', 'prototype']);
const plainKey = fc.string().filter((key) => !reserved.has(key));
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => (Object.is(x, -0) ? 0 : x)),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(plainKey, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

describe('JSON with places', () => {
  it('holds the same values as JSON.parse, for any JSON in any indentation', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 2, '\t'), (value, indent) => {
        const parsed = parseJson(sourceDocument('w.json', JSON.stringify(value, null, indent)));
        expect(parsed.ok && toJson(parsed.value)).toEqual(value);
      }),
      { seed: 20, numRuns: 300 },
    );
  });

  it('knows where every part begins and ends', () => {
    const text = '{\n  "a": [1, "two"],\n  "b": { "c": true }\n}';
    const parsed = parseJson(sourceDocument('w.json', text));
    if (!parsed.ok || parsed.value.type !== 'object') throw new Error('not an object');
    const c = parsed.value.members.get('b')?.value;
    expect(c && text.slice(c.at.offset, c.at.offset + c.at.length)).toBe('{ "c": true }');
    expect(c && positionOf(c.at.source, c.at.offset)).toEqual({ line: 3, column: 8 });
  });

  it.each([
    ['{"a": 1, "a": 2}', ['HG1008@1:10']],
    ['{"a": 1 /* x */}', ['HG1006@1:9']],
    ['{"a": 1,}', ['HG1007@1:8']],
    ['{"__proto__": 1}', ['HG1010@1:2']],
    ['{"a": 1e400}', ['HG1011@1:7']],
    ['{"a" 1}', ['HG1005@1:6']],
    ['', ['HG1012@1:1']],
    ['{"a": 1} {}', ['HG1005@1:10']],
    ['{"a": "x\ty"}', ['HG1005@1:7']],
    ["{'a': 1}", ['HG1005@1:2']],
    ['{"a": 01}', ['HG1005@1:8']],
    ['{"a": NaN}', ['HG1005@1:7']],
  ])('refuses %j', (text, expected) => {
    expect(codes(text)).toEqual(expected);
  });

  it('reports every duplicate and every reserved key of a text', () => {
    expect(codes('{"a":1,"a":2,"b":{"constructor":1}}')).toEqual(['HG1008@1:8', 'HG1010@1:19']);
  });

  it('refuses text that nests too deep before any recursion', () => {
    expect(codes('['.repeat(maxDepth) + ']'.repeat(maxDepth))).toEqual([]);
    expect(codes('['.repeat(500_000))).toEqual([`HG1009@1:${maxDepth + 1}`]);
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '1', 'true', '\\', ' ', '/', '*') }),
        (text) => {
          parseJson(sourceDocument('w.json', text));
        },
      ),
      { seed: 21, numRuns: 500 },
    );
  });
});
