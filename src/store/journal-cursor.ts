// Reads a journal that is still being written, a piece at a time: for readers that fell behind. Holds no file open.
import { open } from 'node:fs/promises';
import type { RunEvent } from '../events/run-events.ts';
import { journalPath, parseEvent } from './journal.ts';

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
        return buffer
          .toString('utf8', 0, end)
          .split('\n')
          .flatMap((line) => parseEvent(line) ?? []);
      }
    } finally {
      await file.close();
    }
  }
}
