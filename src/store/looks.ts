// Everything outside the store that a run looked at to decide what it did: paths with what was there, before it was read. As
// long as all of it is as it was, the same run decides the same. Remembers; judges nothing.
import { isSettled, settlesInMs, traceOf, type FileStamp } from '../support/file-stamp.ts';

export type Look = readonly [path: string, trace: string];

export class Looks {
  private readonly traces = new Map<string, string>();
  /** Paths that the run itself wrote, with the time of that. */
  private readonly own = new Map<string, FileStamp['changedNs']>();
  private unsound = false;
  private readonly now: () => number;

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  /** A file, a folder (the names in it) or nothing at all. Call it before what is there is read. */
  note(path: string): void {
    const found = traceOf(path);
    this.add(path, found.trace, found.trace === '' || isSettled(found, this.now()));
  }

  /** The same for a file whose stamp is there already. */
  noteFile(path: string, stamp: FileStamp | undefined): void {
    if (stamp === undefined) this.note(path);
    else this.add(path, stamp.strict, isSettled(stamp, this.now()));
  }

  /** What the run itself has put at a path just now, whatever was there before. */
  noteOwn(path: string): void {
    const { trace, changedNs } = traceOf(path);
    this.traces.set(path, trace);
    this.own.set(path, changedNs);
  }

  /** How long until a change of what the run itself wrote would show. */
  settlingMs(): number {
    return Math.max(0, ...[...this.own.values()].map((changedNs) => settlesInMs({ changedNs }, this.now())));
  }

  /** Undefined when a change would not show: something was written just before, or differed from one look to the next. */
  all(): readonly Look[] | undefined {
    return this.unsound || this.settlingMs() > 0 ? undefined : [...this.traces];
  }

  private add(path: string, trace: string, settled: boolean): void {
    const before = this.traces.get(path);
    if (!settled || (before !== undefined && before !== trace)) this.unsound = true;
    this.traces.set(path, trace);
  }
}

/** Whether everything is still there as it was. */
export function areUnchanged(looks: readonly Look[]): boolean {
  return looks.every(([path, trace]) => traceOf(path).trace === trace);
}
