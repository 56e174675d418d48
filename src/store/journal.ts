// The journal of one run: events, one JSON line each, appended and made durable. A line that a crash tore is dropped, and
// that is told. Not a log for people; see `console/` and `report/`.
import { closeSync, fdatasyncSync, fsyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../events/run-events.ts';
import { isJsonObject } from '../support/json.ts';
import { readBytesIfPresent } from '../support/missing-files.ts';

export interface JournalContent {
  readonly events: readonly RunEvent[];
  /** Bytes of a torn or unreadable end, 0 for a sound journal. */
  readonly tornBytes: number;
  readonly soundBytes: number;
}

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
    this.waiting += `${JSON.stringify(event)}\n`;
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

export function journalPath(runFolder: string): string {
  return join(runFolder, 'events.jsonl');
}

/** Everything that was journaled up to the first line that is no event. */
export async function readJournal(runFolder: string): Promise<JournalContent> {
  const bytes = (await readBytesIfPresent(journalPath(runFolder))) ?? Buffer.alloc(0);
  const events: RunEvent[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10, start); end >= 0; end = bytes.indexOf(10, start)) {
    const event = parseEvent(bytes.toString('utf8', start, end));
    if (event === undefined) break;
    events.push(event);
    start = end + 1;
  }
  return { events, soundBytes: start, tornBytes: bytes.length - start };
}

export function parseEvent(line: string): RunEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    // The journal is written by this program only; a line that parses and has a type is one of its events.
    return isJsonObject(value) && typeof value['type'] === 'string' ? (value as RunEvent & typeof value) : undefined;
  } catch {
    return undefined;
  }
}
