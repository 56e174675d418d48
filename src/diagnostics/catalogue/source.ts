// HG10xx: the text itself — files that cannot be read, and what is not JSON. One constructor per problem.
import { errorAt, errorInFile } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { placeText } from '../source.ts';
import type { Place } from '../source.ts';

export function fileUnreadable(file: string, why: string): Diagnostic {
  return errorInFile('HG1001', file, { message: `the file cannot be read: ${why}`, help: 'check the path' });
}

export function fileTooLarge(file: string, bytes: number, limit: number): Diagnostic {
  return errorInFile('HG1002', file, {
    message: `the file has ${bytes} bytes; at most ${limit} are read`,
    help: 'a workflow holds settings only; data belongs in files that it names',
  });
}

export function notUtf8(file: string, byteOffset: number): Diagnostic {
  return errorInFile('HG1003', file, {
    message: `the file is not valid UTF-8 (byte ${byteOffset})`,
    help: 'save it as UTF-8',
  });
}

export function byteOrderMark(file: string, encoding: string): Diagnostic {
  return errorInFile('HG1004', file, {
    message: `the file starts with a byte order mark (${encoding})`,
    help: 'save it as UTF-8 without a byte order mark',
  });
}

export function brokenJson(at: Place, expected: string): Diagnostic {
  return errorAt('HG1005', at, { message: `this is not JSON: ${expected}` });
}

export function commentInJson(at: Place): Diagnostic {
  return errorAt('HG1006', at, {
    message: 'JSON has no comments',
    help: 'put the words into "description" (workflow) or "summary" (stage)',
  });
}

export function trailingComma(at: Place): Diagnostic {
  return errorAt('HG1007', at, { message: 'there is nothing after this comma', help: 'remove the comma' });
}

export function duplicateKey(at: Place, key: string, first: Place): Diagnostic {
  return errorAt('HG1008', at, {
    message: `key "${key}" is given twice`,
    help: `the first one is at ${placeText(first)}`,
  });
}

export function tooDeep(at: Place, limit: number): Diagnostic {
  return errorAt('HG1009', at, { message: `nested more than ${limit} levels deep` });
}

export function reservedKey(at: Place, key: string): Diagnostic {
  return errorAt('HG1010', at, { message: `"${key}" cannot be a key`, help: 'rename it' });
}

export function numberOutOfRange(at: Place): Diagnostic {
  return errorAt('HG1011', at, { message: 'the number is too large for a double' });
}

export function emptyFile(at: Place): Diagnostic {
  return errorAt('HG1012', at, { message: 'the file is empty; a JSON object was expected' });
}
