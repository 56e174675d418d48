// Which files of the store this process has hashed, and what each looked like then. A link more or less changes a file's time
// of change but nothing in it; links that this process itself makes and removes are told apart from writes by it.
import { linkSync, lstatSync, rmSync, type BigIntStats } from 'node:fs';
import { isMissing } from '../support/missing-files.ts';

export interface Face {
  /** Which file it is. */
  readonly file: string;
  /** What stays when it gets or loses a name. */
  readonly lasting: string;
  /** The stamp, with the time of the last change of any kind. */
  readonly strict: string;
  readonly bytes: number;
  /** Whether it may be run as a program: by its owner's bit, as version control has it. */
  readonly runs: boolean;
}

function faceOf({ dev, ino, size, mtimeNs, ctimeNs, mode }: BigIntStats): Face {
  const file = `${dev}:${ino}`;
  const lasting = `${file}:${size}:${mtimeNs}:${mode}`;
  return { file, lasting, strict: `${lasting}:${ctimeNs}`, bytes: Number(size), runs: (mode & 0o100n) !== 0n };
}

/** Undefined when there is no plain file, links not followed. */
export function faceAt(path: string): Face | undefined {
  try {
    const info = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return info?.isFile() === true ? faceOf(info) : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export class VerifiedFiles {
  private readonly faces = new Map<string, string>();

  /** Says that the bytes of a file were hashed while it looked like this. */
  add(path: string, face: Face): void {
    this.faces.set(path, face.strict);
  }

  drop(path: string): void {
    this.faces.delete(path);
  }

  has(path: string, face: Face): boolean {
    return this.faces.get(path) === face.strict;
  }

  /** Gives a verified file one more name. What the system says is thrown. */
  link(path: string, name: string): void {
    this.keepingAcross(path, () => linkSync(path, name));
  }

  /** Takes a name of a verified file away again. */
  unlink(path: string, name: string): void {
    this.keepingAcross(path, () => rmSync(name, { force: true }));
  }

  /** Nothing else of this process runs in between, and a write by another changes what lasts, or is older than the look. */
  private keepingAcross(path: string, change: () => void): void {
    const before = faceAt(path);
    change();
    if (before === undefined || !this.has(path, before)) return;
    const after = faceAt(path);
    if (after?.lasting === before.lasting) this.add(path, after);
  }
}
