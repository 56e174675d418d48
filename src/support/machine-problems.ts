// Errors of the operating system that are nobody's bug, and what a person can do about them.
import { errorCode } from './missing-files.ts';

const REMEDIES: { readonly [code: string]: string } = {
  ENOSPC:
    'the disk is full, or has no inodes left (df -h, df -i); free some space (`headgate cache gc` may) and run `headgate resume`',
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

/** Undefined when it is not the machine's problem. */
export function machineRemedy(error: unknown): string | undefined {
  return REMEDIES[errorCode(error) ?? ''];
}
