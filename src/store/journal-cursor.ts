// Reads a journal that is still being written, a piece at a time: for readers that fell behind. Holds no file open.
import { open } from 'node:fs/promises';
import type { RunEvent } from '../events/run-events.ts';
import { readLine } from './journal-line.ts';
import { journalPath } from './journal-path.ts';

const PIECE_BYTES = 256 * 1024;

export class JournalCursor {
  private readonly path: string;
  private offset = 0;

  constructor(runFolder: string) {
    this.path = journalPath(runFolder);
  }

  /** The next events that are completely written; none when there are no more yet. */
  async next(): Promise<readonly RunEvent[]> {
    const file = await open(this.path, 'r');
    try {
      // One line may be longer than a piece: then a longer piece is read.
      for (let length = PIECE_BYTES; ; length *= 2) {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, this.offset);
        const end = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1;
        if (end === 0 && bytesRead === length) continue;
        this.offset += end;
        return this.eventsIn(buffer.subarray(0, end));
      }
    } finally {
      await file.close();
    }
  }

  private eventsIn(lines: Buffer): readonly RunEvent[] {
    const events: RunEvent[] = [];
    let start = 0;
    for (let end = lines.indexOf(10); end >= 0; end = lines.indexOf(10, start)) {
      const read = readLine(lines.subarray(start, end));
      // Its own engine is still writing it: a reader that went on would miss an event without a word.
      if (read === undefined) throw new Error(`a line of ${this.path} is not what was written`);
      events.push(read.event);
      start = end + 1;
    }
    return events;
  }
}
