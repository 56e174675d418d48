// What the file system says of a file without reading it: equal stamps mean, short of silent damage, equal bytes.
// Looking is synchronous: a stat of a local file takes microseconds, the way through the thread pool a hundred times that.
import { statSync, type BigIntStats } from 'node:fs';
import { isNoFile } from './missing-files.ts';

export interface FileStamp {
  /** Size, modification time and inode. */
  readonly text: string;
  /** With the time of the last change of any kind, which no program can set back. */
  readonly strict: string;
  /** When anything of the file changed last, by the file system's clock. */
  readonly changedNs: bigint;
  readonly bytes: number;
}

/** Undefined when there is no such file, or what is there is a folder, a pipe or a device. */
export function stampOf(path: string): FileStamp | undefined {
  const info = lookAt(path);
  if (info?.isFile() !== true) return undefined;
  const text = `${info.size}:${info.mtimeNs}:${info.ino}`;
  return { text, strict: `${text}:${info.ctimeNs}`, changedNs: info.ctimeNs, bytes: Number(info.size) };
}

function lookAt(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (isNoFile(error)) return undefined; // links that lead in a circle
    throw error;
  }
}
