// What the file system says of a file without reading it: equal stamps mean, short of silent damage, equal bytes.
// Looking is synchronous: a stat of a local file takes microseconds, the way through the thread pool a hundred times that.
import { statSync, type BigIntStats } from 'node:fs';
import { isMissing, isNoFile } from './missing-files.ts';

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
  return { text, strict: strictText(info), changedNs: info.ctimeNs, bytes: Number(info.size) };
}

/**
 * What is at a path as far as a look tells: equal traces mean an equal file, or a folder with the same names in it. Empty
 * when nothing is there.
 */
export function traceOf(path: string): Pick<FileStamp, 'changedNs'> & { readonly trace: string } {
  const info = lookAt(path);
  if (info === undefined) return { trace: '', changedNs: 0n };
  const kind = info.isFile() ? '' : info.isDirectory() ? 'folder:' : 'other:';
  return { trace: `${kind}${strictText(info)}`, changedNs: info.ctimeNs };
}

/** A file that is changed again within one tick of the file system's clock keeps its stamp. */
const CLOCK_TICK_NS = 50_000_000n;

/** Whether a change after `nowMs` would show in the stamp. */
export function isSettled({ changedNs }: Pick<FileStamp, 'changedNs'>, nowMs: number = Date.now()): boolean {
  return BigInt(nowMs) * 1_000_000n - changedNs > CLOCK_TICK_NS;
}

/**
 * How long to wait until it is settled; 0 if it is. Never longer than a tick: a file from the future (another machine's clock,
 * or ours was set back) does not settle within any time worth waiting.
 */
export function settlesInMs({ changedNs }: Pick<FileStamp, 'changedNs'>, nowMs: number = Date.now()): number {
  if (isSettled({ changedNs }, nowMs)) return 0;
  const tickMs = Number(CLOCK_TICK_NS / 1_000_000n);
  return Math.min(Number(changedNs / 1_000_000n) - nowMs, 0) + tickMs + 2;
}

function strictText({ size, mtimeNs, ino, ctimeNs }: BigIntStats): string {
  return `${size}:${mtimeNs}:${ino}:${ctimeNs}`;
}

function lookAt(path: string): BigIntStats | undefined {
  if (path.includes('\0')) return undefined; // no file system has such a name
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    // Links that lead in a circle, a file where a folder is named.
    if (isNoFile(error) || isMissing(error)) return undefined;
    throw error;
  }
}
