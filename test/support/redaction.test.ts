// Secrets in text, bytes and JSON.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { redactorOf } from '../../src/support/redaction.ts';

const value = 'tøken+/=with "quotes"';
const redactor = redactorOf([{ name: 'TOKEN', value }]);

describe('a secret', () => {
  test.each([
    ['itself', value],
    ['in JSON', JSON.stringify({ a: value })],
    ['in a URL', `https://x/?t=${encodeURIComponent(value)}&u=1`],
    ['in a form', new URLSearchParams({ t: value }).toString()],
    ['in base64', Buffer.from(value).toString('base64')],
    ['in base64 of more', Buffer.from(`user:${value}:x`).toString('base64')],
    ['in base64 of more still', Buffer.from(`me:${value}!`).toString('base64url')],
  ])('is taken out of text: %s', (_, text) => {
    const redacted = redactor.text(text);
    expect(redacted).toContain('[secret TOKEN]');
    expect(redacted).not.toContain(value);
    expect(Buffer.from(redacted, 'base64').toString()).not.toContain('quotes');
  });

  test('is taken out of every string of JSON, and nothing else is changed', () => {
    expect(redactor.json({ [value]: [value, 1, null, { ok: `a ${value} b` }] })).toEqual({
      '[secret TOKEN]': ['[secret TOKEN]', 1, null, { ok: 'a [secret TOKEN] b' }],
    });
  });

  test('of several lines is found line by line', () => {
    const key = redactorOf([{ name: 'KEY', value: '-----BEGIN-----\nabcdefghijkl\n-----END-----' }]);
    expect(key.text('  abcdefghijkl  ')).toBe('  [secret KEY]  ');
  });

  test('is found wherever the pieces of a stream are cut', () => {
    const whole = Buffer.from(`start ${value} middle ${value}${value} end ø`);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: whole.length - 1 })), (cuts) => {
        const stream = redactor.stream();
        const edges = [0, ...[...new Set(cuts)].sort((a, b) => a - b), whole.length];
        const parts = edges.slice(1).map((edge, index) => stream.write(whole.subarray(edges[index], edge)));
        const text = Buffer.concat([...parts, stream.end()]).toString();
        expect(text).toBe('start [secret TOKEN] middle [secret TOKEN][secret TOKEN] end ø');
      }),
      { numRuns: 300, seed: 7 },
    );
  });

  test('that there is none of changes nothing', () => {
    const none = redactorOf([]);
    expect(none.text(value)).toBe(value);
    expect(none.stream().write(Buffer.from(value)).toString()).toBe(value);
    expect(none.firstIn(Buffer.from(value))).toBeUndefined();
  });
});
