// What is said when something was thrown: the machine's own problems (disk full, no permission) in words, anything else as a
// bug of headgate, with its stack.
import { errorCode } from '../support/missing-files.ts';

const MACHINE_PROBLEMS: { readonly [code: string]: string } = {
  ENOSPC: 'the disk is full; free some space (`headgate cache gc` may) and run `headgate resume`',
  EDQUOT: 'the disk quota is used up; free some space (`headgate cache gc` may) and run `headgate resume`',
  EACCES: 'look at the permissions, or choose another --root',
  EPERM: 'look at the permissions, or choose another --root',
  EROFS: 'the file system is read-only; choose another --root',
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENFILE: 'the system has too many files open',
  ENOTDIR: 'a file stands where a folder belongs; look at the path, or choose another --root',
  EEXIST: 'something else stands there; look at the path, or choose another --root',
  EISDIR: 'a folder stands where a file belongs; look at the path, or choose another --root',
  ELOOP: 'links lead in a circle; look at the path, or choose another --root',
  ENAMETOOLONG: 'choose a shorter path',
  EIO: 'look at the disk (smartctl, fsck)',
};

export function crashText(error: unknown): string {
  const help = MACHINE_PROBLEMS[errorCode(error) ?? ''];
  if (help !== undefined && error instanceof Error) return `headgate: ${error.message}\n  help: ${help}\n`;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `headgate: this is a bug in headgate; please report it with these lines\n${stack}\n`;
}
