// What names this process among all that may share a store: a pid means something only inside one pid namespace of one boot
// of one machine, and two containers may bear the same host name. Says who this is; judges nobody else.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** The place within which a pid means one and the same process. */
export interface Place {
  readonly host: string;
  /** The kernel's id of this boot; null where it gives none (macOS). */
  readonly boot: string | null;
  /** The pid and time namespaces; null where the system has none, or /proc shows those of somebody else. */
  readonly namespaces: string | null;
}

export interface OwnProcess {
  readonly place: Place;
  readonly pid: number;
  /** Clock ticks after boot, as /proc tells; null where it does not. */
  readonly startTime: string | null;
  /** Names the monotonic clock, which all processes of a boot and time namespace share; null where nothing tells. */
  readonly clock: string | null;
  /** Fit for file names: the place (shortened), pid, start and a random part, so that nobody else has the same. */
  readonly token: string;
}

let own: OwnProcess | undefined;

export function ownProcess(): OwnProcess {
  return (own ??= lookAtOneself());
}

/** Short and fit for file names; equal for equal places. */
export function placeId({ host, boot, namespaces }: Place): string {
  return shortHash([host, boot, namespaces]);
}

function shortHash(value: readonly (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 10);
}

/** Whether pids of both mean the same processes. Where nothing tells namespaces apart on a system that has them: no. */
export function isSamePlace(one: Place, other: Place): boolean {
  const known = one.namespaces !== null || one.boot === null;
  return known && one.host === other.host && one.boot === other.boot && one.namespaces === other.namespaces;
}

/** The start of a process in the text of its /proc/PID/stat; 'zombie' for one that has ended. */
export function startTimeIn(stat: string): string | null {
  // The command name may hold spaces and brackets; fields are counted from its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? 'zombie' : (fields[19] ?? null);
}

/** Whether /proc shows the processes that this one's pids mean: not so where it was mounted for another namespace. */
export function procIsOwn(): boolean {
  return orNull(() => readlinkSync('/proc/self')) === String(process.pid);
}

function lookAtOneself(): OwnProcess {
  const isOwn = procIsOwn();
  const stat = isOwn ? orNull(() => readFileSync('/proc/self/stat', 'utf8')) : null;
  const place: Place = {
    host: hostname(),
    boot: orNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    namespaces: isOwn ? orNull(namespacesOfOneself) : null,
  };
  const startTime = stat === null ? null : startTimeIn(stat);
  const token = [placeId(place), process.pid, startTime ?? 'x', randomBytes(4).toString('hex')].join('-');
  return {
    place,
    pid: process.pid,
    startTime,
    token,
    clock: place.boot === null ? null : shortHash(clockOf(place.boot)),
  };
}

function clockOf(boot: string): readonly (string | null)[] {
  return [boot, orNull(() => readlinkSync('/proc/self/ns/time'))];
}

/** Start times are counted per time namespace, where a kernel has them. */
function namespacesOfOneself(): string {
  const time = orNull(() => readlinkSync('/proc/self/ns/time'));
  return [readlinkSync('/proc/self/ns/pid'), ...(time === null ? [] : [time])].join(' ');
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
