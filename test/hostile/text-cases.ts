// Bytes that are no workflow: encodings, nesting, numbers, keys.
import type { HostileCase } from './hostile-case.ts';
import { put } from './writing.ts';

const deep = 100_000;
const validate = ['validate', 'w.json'] as const;

function workflow(name: string, content: string | Uint8Array, says: string | RegExp, exit = 2): HostileCase {
  return { name, files: put('w.json', content), args: validate, exit, says };
}

/** A workflow that is sound but for what stands in its parameters. */
function params(name: string, value: string, says: string | RegExp, exit = 2): HostileCase {
  return workflow(
    name,
    `{ "name": "x", "params": { "a": ${value} }, "stages": { "s": { "kind": "select" } } }`,
    says,
    exit,
  );
}

const utf16 = (text: string): Uint8Array => Buffer.from(`\uFEFF${text}`, 'utf16le');

export const textCases: readonly HostileCase[] = [
  workflow('arrays nested 100,000 deep', '['.repeat(deep) + ']'.repeat(deep), 'w.json:1:65 HG1009'),
  workflow('arrays opened 100,000 times and never closed', '['.repeat(deep), 'w.json:1:65 HG1009'),
  workflow('objects nested 100,000 deep', '{"a":'.repeat(deep) + '1' + '}'.repeat(deep), 'HG1009'),
  params('a parameter nested 100,000 deep', '['.repeat(deep) + ']'.repeat(deep), 'HG1009'),
  workflow('closing brackets only', ']}'.repeat(deep), 'HG1005'),
  params('a number beyond a double', '1e400', 'w.json:1:33 HG1011'),
  params('a number beyond a double, negative', '-1e400', 'HG1011'),
  params('a number of 100,000 digits', '9'.repeat(100_000), 'HG1011'),
  params('a fraction of 100,000 digits', `0.${'1'.repeat(100_000)}`, 'w.json is valid', 0),
  params('minus zero', '-0', 'w.json is valid', 0),
  params('a number that Python writes', 'NaN', 'HG1005'),
  params('a hexadecimal number', '0x10', 'HG1005'),
  params('a half of a surrogate pair', '"\\ud800"', 'w.json is valid', 0),
  params('a raw NUL in a string', '"a\u0000b"', 'HG1005'),
  params('a raw line break in a string', '"a\nb"', 'HG1005'),
  params('an escape that does not exist', '"\\x41"', 'HG1005'),
  workflow('UTF-16', utf16('{}'), 'HG1004'),
  workflow('UTF-16, the other way round', Buffer.from(utf16('{}')).swap16(), 'HG1004'),
  workflow('UTF-32', Uint8Array.of(0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0), 'HG1004'),
  workflow('UTF-16 without a mark', Buffer.from('{"name": 1}', 'utf16le'), 'HG1005'),
  workflow('an overlong encoding of a slash', Buffer.from('{"name": "\xc0\xaf"}', 'latin1'), 'HG1003'),
  workflow('UTF-8 cut in the middle of a character', Buffer.from('{"name": "\xe2\x82', 'latin1'), 'HG1003'),
  workflow('random bytes', Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256)), /HG100[345]/),
  workflow('an ELF binary', Buffer.from('\x7fELF\x02\x01\x01\x00\x00\x00', 'latin1'), 'HG1005'),
  workflow('a gzip file', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3), 'HG1003'),
  workflow('an empty file', '', 'HG1012'),
  workflow('white space only', ' \n\t'.repeat(1000), 'HG1012'),
  workflow('two documents', '{} {}', 'HG1005'),
  workflow('a bare string', '"workflow"', 'HG1113'),
  workflow('null', 'null', 'HG1113'),
  workflow('the same key 100,000 times', `{${'"a":1,'.repeat(100_000)}"b":1}`, 'HG1008'),
  workflow('100,000 comments', '//x\n'.repeat(100_000), 'HG1006'),
  workflow('100,000 trailing commas', `[${'[1,],'.repeat(100_000)}1]`, 'HG1007'),
];
