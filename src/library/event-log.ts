// A run's events for any number of readers at their own pace. The newest are held in memory, up to a bound; a reader that
// fell behind takes older ones from the journal, where every event was written before anyone heard of it. So no event is
// lost, memory stays bounded, and the engine never waits for a reader.
import type { RunEvent } from '../events/run-events.ts';
import { JournalCursor } from '../store/journal-cursor.ts';

export class EventLog implements AsyncIterable<RunEvent> {
  private readonly held: number;
  private readonly recent: RunEvent[] = [];
  private folder: string | undefined;
  private ending: { readonly error?: unknown } | undefined;
  private waiting: (() => void)[] = [];

  constructor(held = 1024) {
    this.held = held;
  }

  /** Where the journal is, before the first event. */
  openedIn(runFolder: string): void {
    this.folder = runFolder;
  }

  push(event: RunEvent): void {
    this.recent.push(event);
    if (this.recent.length > 2 * this.held) this.recent.splice(0, this.recent.length - this.held);
    this.wake();
  }

  end(ending: { readonly error?: unknown } = {}): void {
    this.ending = ending;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, undefined> {
    let next = 0;
    let cursor: JournalCursor | undefined;
    for (;;) {
      const oldest = this.recent[0]?.seq ?? next;
      const event = this.recent[next - oldest];
      if (next < oldest && this.folder !== undefined) {
        cursor ??= new JournalCursor(this.folder);
        const older = await cursor.next();
        if (older.length === 0 && this.ending === undefined) await this.change();
        else if (older.length === 0) throw new Error(`the journal in ${this.folder} is not whole`);
        for (const one of older) {
          if (one.seq < next) continue;
          yield one;
          next = one.seq + 1;
        }
      } else if (event !== undefined) {
        yield event;
        next++;
      } else if (this.ending === undefined) await this.change();
      else if ('error' in this.ending) throw this.ending.error;
      else return;
    }
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resume of waiting) resume();
  }
}
