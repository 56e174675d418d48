// The journal of one run, as it is written: events, one sealed JSON line each, appended and made durable. Reading it is for
// `read-journal.ts`. Not a log for people; see `console/` and `report/`.
import { closeSync, fdatasyncSync, fsyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import type { RunEvent } from '../events/run-events.ts';
import { lineOf } from './journal-line.ts';
import { journalPath } from './journal-path.ts';

export { readJournal, type JournalContent, type JournalDamage } from './read-journal.ts';

/** Events that may be lost with the machine: progress is news, and a start without its end says what its job folder says. */
const NOT_WORTH_A_SYNC = new Set<RunEvent['type']>(['job-reported', 'stage-started', 'stage-waiting', 'gate-decided']);
/** Events that may be lost with the process: whoever goes on comes to the same again, for free. They come in bursts. */
const NOT_WORTH_A_WRITE = new Set<RunEvent['type']>(['stage-restored', 'stage-not-taken', 'stage-blocked']);
/** A long burst is written in pieces of this many characters. */
const MAX_WAITING = 1 << 18;

export class Journal {
  private readonly file: number;
  private waiting = '';
  private flushing: NodeJS.Immediate | undefined;
  private broken: Error | undefined;

  private constructor(file: number) {
    this.file = file;
  }

  /** Opens for appending; `keepBytes` cuts a torn end off first. */
  static open(runFolder: string, keepBytes?: number): Journal {
    mkdirSync(runFolder, { recursive: true });
    const file = openSync(journalPath(runFolder), 'a');
    if (keepBytes !== undefined) ftruncateSync(file, keepBytes);
    return new Journal(file);
  }

  /** What is worth a sync is on the disk when this returns; bursts are written, many at once, before the next turn. */
  append(event: RunEvent): void {
    this.waiting += lineOf(event);
    const mayWait = NOT_WORTH_A_WRITE.has(event.type) || (event.type === 'gate-decided' && event.cached);
    if (mayWait && this.waiting.length < MAX_WAITING) {
      this.flushing ??= setImmediate(() => this.flushLater());
      return;
    }
    this.flush();
    if (!mayWait && !NOT_WORTH_A_SYNC.has(event.type)) fdatasyncSync(this.file);
  }

  close(): void {
    this.flush();
    fsyncSync(this.file);
    closeSync(this.file);
  }

  /** Nobody is there to hear of a full disk: the next one who appends or closes does. */
  private flushLater(): void {
    try {
      this.flush();
    } catch {
      // Kept in `broken`.
    }
  }

  private flush(): void {
    clearImmediate(this.flushing);
    this.flushing = undefined;
    if (this.broken !== undefined) throw this.broken;
    const bytes = Buffer.from(this.waiting);
    this.waiting = '';
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.file, bytes, done);
    } catch (error) {
      // Half a line may be there now; another behind it would make both unreadable.
      this.broken = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}
