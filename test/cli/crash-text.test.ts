import { describe, expect, test } from 'vitest';
import { crashText } from '../../src/cli/crash-text.ts';

const machine = (code: string): Error => Object.assign(new Error(`${code}: it did not work, open 'x'`), { code });

describe('what was thrown', () => {
  test.each(['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EMFILE', 'ENFILE', 'EIO', 'ELOOP', 'ENAMETOOLONG'])(
    '%s is a sentence with a remedy, also as the cause of another error and as one of several',
    (code) => {
      const plain = new RegExp(`^headgate: ${code}: .*\\n  help: .+\\n$`);
      expect(crashText(machine(code))).toMatch(plain);
      const outer = new Error('the journal cannot be written', { cause: machine(code) });
      expect(crashText(outer)).toMatch(
        new RegExp(`^headgate: the journal cannot be written: ${code}: .*\\n  help: .+\\n$`),
      );
      expect(crashText(new AggregateError([new Error('other'), machine(code)]))).toMatch(plain);
    },
  );

  test('anything else is a bug of headgate with its stack, even where an error is its own cause', () => {
    const own = new TypeError('x is not a function');
    own.cause = own;
    expect(crashText(own)).toMatch(
      /^headgate: this is a bug in headgate; please report it with these lines\nTypeError: x/,
    );
  });
});
