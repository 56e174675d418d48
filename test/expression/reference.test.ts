import { describe, expect, it } from 'vitest';
import { sourceDocument } from '../../src/diagnostics/source.ts';
import type { LocatedString } from '../../src/diagnostics/located-json.ts';
import { parseOrderReference, parsePortReference } from '../../src/expression/reference.ts';

function node(value: string): LocatedString {
  const text = JSON.stringify(value);
  return { type: 'string', value, at: { source: sourceDocument('w.json', text), offset: 0, length: text.length } };
}

describe('a reference to an output', () => {
  it.each([
    ['merge.merged', 'merge', undefined, 'merged', undefined],
    ['head-qat[segmentation].head', 'head-qat', 'segmentation', 'head', undefined],
    ['imported.head[detection]', 'imported', undefined, 'head', 'detection'],
  ])('%s has a stage, a port and keys', (text, stage, key, port, portKey) => {
    const reference = parsePortReference(node(text));
    expect([
      reference?.steps[0].stage.text,
      reference?.steps[0].key?.text,
      reference?.port.text,
      reference?.portKey?.text,
    ]).toEqual([stage, key, port, portKey]);
  });

  it.each(['', 'merge', 'merge.', '.merged', 'a.b.c', 'a[].b', 'a[*].b', 'a b.c', 'gate:case', '1a.b'])(
    '%j is none',
    (text) => {
      expect(parsePortReference(node(text))).toBeUndefined();
    },
  );

  it('knows where each of its parts stands', () => {
    const reference = parsePortReference(node('head[seg].out'));
    expect(
      [reference?.steps[0].stage.at, reference?.steps[0].key?.at, reference?.port.at].map((at) => [
        at?.offset,
        at?.length,
      ]),
    ).toEqual([
      [1, 4],
      [6, 3],
      [11, 3],
    ]);
  });

  it('points at the whole string where escapes hide the parts', () => {
    const text = '"he\\u0061d.out"';
    const escaped: LocatedString = {
      type: 'string',
      value: 'head.out',
      at: { source: sourceDocument('w.json', text), offset: 0, length: text.length },
    };
    expect(parsePortReference(escaped)?.port.at.length).toBe(text.length);
  });
});

describe('what a stage comes after', () => {
  it.each([
    ['merge', 'merge', undefined, undefined],
    ['check[detection]', 'check', 'detection', undefined],
    ['gate:pass', 'gate', undefined, 'pass'],
    ['gate[*]:pass', 'gate', '*', 'pass'],
  ])('%s', (text, stage, key, name) => {
    const reference = parseOrderReference(node(text));
    expect([reference?.steps[0].stage.text, reference?.steps[0].key?.text, reference?.case?.text]).toEqual([
      stage,
      key,
      name,
    ]);
  });

  it.each(['', 'gate:', ':pass', 'stage.port', 'gate:a:b'])('%j is no stage and no case', (text) => {
    expect(parseOrderReference(node(text))).toBeUndefined();
  });
});
