import { describe, expect, it } from 'vitest';
import { decodeSource, maxBytes } from '../../src/spec/read-source.ts';

function problem(bytes: Uint8Array): string | undefined {
  const decoded = decodeSource('w.json', bytes);
  return decoded.ok ? undefined : decoded.error.map((d) => `${d.code} ${d.message}`).join('\n');
}

describe('the bytes of a workflow', () => {
  it('are UTF-8', () => {
    expect(problem(new TextEncoder().encode('{"name": "häuser 🏠"}'))).toBeUndefined();
  });

  it('are refused at the first byte that is not UTF-8', () => {
    expect(problem(Uint8Array.of(0x61, 0xc3, 0xa4, 0xff, 0x61))).toContain(
      'HG1003 the file is not valid UTF-8 (byte 3)',
    );
    expect(problem(Uint8Array.of(0x61, 0xc3))).toContain('(byte 2)');
  });

  it.each([
    ['UTF-8', [0xef, 0xbb, 0xbf]],
    ['UTF-16', [0xff, 0xfe]],
    ['UTF-16', [0xfe, 0xff]],
    ['UTF-32', [0xff, 0xfe, 0, 0]],
  ])('are refused with a byte order mark of %s', (encoding, mark) => {
    expect(problem(Uint8Array.from([...mark, 0x7b, 0x7d]))).toContain(`(${encoding})`);
  });

  it('are at most 8 MiB', () => {
    expect(problem(new Uint8Array(maxBytes).fill(0x20))).toBeUndefined();
    expect(problem(new Uint8Array(maxBytes + 1).fill(0x20))).toContain('HG1002');
  });
});
