// A journal as it is read: every event whose line is whole, in the order of their numbers, and what is wrong with the rest.
// A line that a crash tore off the end is no damage. Nothing is put right here; see `mend-journal.ts`.
import { basename } from 'node:path';
import type { RunEvent } from '../events/run-events.ts';
import { readBytesIfPresent } from '../support/missing-files.ts';
import { isSealedLine, readLine } from './journal-line.ts';
import { journalPath } from './journal-path.ts';
import { isRunName } from './run-names.ts';

export interface JournalContent {
  readonly events: readonly RunEvent[];
  /** Bytes of a torn end, 0 where the last line is complete. */
  readonly tornBytes: number;
  /** Bytes before the torn end. */
  readonly soundBytes: number;
  /** Undefined for a journal that is as it was written. */
  readonly damage?: JournalDamage;
}

export interface JournalDamage {
  /** Lines that are not what was written; the first begins at `firstByte`. */
  readonly lines: number;
  readonly firstByte?: number;
  /** Events that were written and are in no line. */
  readonly missing: number;
  /** Whole lines at another place than the one they were written to, or there twice. */
  readonly misplaced: number;
}

interface Piece {
  readonly line: Buffer;
  readonly offset: number;
}

export async function readJournal(runFolder: string): Promise<JournalContent> {
  const { kept, ...content } = await readPieces(runFolder);
  return { events: kept.map(({ event }) => event), ...content };
}

/** The lines that are whole, with their line breaks, in the order of their events. */
export async function wholeLines(runFolder: string): Promise<Buffer> {
  const { kept } = await readPieces(runFolder);
  return Buffer.concat(kept.flatMap(({ line }) => [line, Buffer.from('\n')]));
}

interface Kept extends Piece {
  readonly event: RunEvent;
}

async function readPieces(
  runFolder: string,
): Promise<Omit<JournalContent, 'events'> & { readonly kept: readonly Kept[] }> {
  const bytes = (await readBytesIfPresent(journalPath(runFolder))) ?? Buffer.alloc(0);
  const { pieces, end, altersLast } = cut(bytes);
  const name = basename(runFolder);
  const whole: Kept[] = [];
  const broken: Piece[] = altersLast === undefined ? [] : [altersLast];
  let run = isRunName(name) ? name : undefined;
  let sealed = false;
  for (const piece of pieces) {
    const read = readLine(piece.line);
    // A journal that has come to the present form does not go back; another run's line was not written here.
    const belongs = read !== undefined && !(sealed && read.form === 1) && (run ?? read.event.run) === read.event.run;
    if (!belongs) {
      broken.push(piece);
      continue;
    }
    run ??= read.event.run;
    sealed ||= read.form === 2;
    whole.push({ ...piece, event: read.event });
  }
  const { kept, misplaced } = inOrder(whole);
  const missing = Math.max(0, missingIn(kept) - broken.length);
  const damage = {
    lines: broken.length,
    ...(broken[0] === undefined ? {} : { firstByte: Math.min(...broken.map(({ offset }) => offset)) }),
    missing,
    misplaced,
  };
  const isDamaged = damage.lines + missing + misplaced > 0;
  return { kept, soundBytes: end, tornBytes: bytes.length - end, ...(isDamaged ? { damage } : {}) };
}

/** What a line break ends, and a last line whose line break became another byte: no write that was torn looks like that. */
function cut(bytes: Buffer): {
  readonly pieces: readonly Piece[];
  readonly end: number;
  readonly altersLast: Piece | undefined;
} {
  const pieces: Piece[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10, start); end >= 0; end = bytes.indexOf(10, start)) {
    pieces.push({ line: bytes.subarray(start, end), offset: start });
    start = end + 1;
  }
  const last = { line: bytes.subarray(start, bytes.length - 1), offset: start };
  const altersLast = start < bytes.length && isSealedLine(last.line) ? last : undefined;
  return { pieces, end: altersLast === undefined ? start : bytes.length, altersLast };
}

function inOrder(whole: readonly Kept[]): { readonly kept: readonly Kept[]; readonly misplaced: number } {
  let [last, misplaced] = [-1, 0];
  for (const { event } of whole) {
    if (event.seq > last) last = event.seq;
    else misplaced++;
  }
  if (misplaced === 0) return { kept: whole, misplaced };
  const sorted = whole.toSorted((left, right) => left.event.seq - right.event.seq || left.offset - right.offset);
  return { kept: sorted.filter(({ event }, index) => event.seq !== sorted[index - 1]?.event.seq), misplaced };
}

/** Numbers that no event has. Those before a repair were told when it was made. */
function missingIn(kept: readonly Kept[]): number {
  const repaired = kept.findLastIndex(({ event }) => event.type === 'journal-repaired');
  const since = repaired < 0 ? kept : kept.slice(repaired);
  const first = since[0]?.event.seq ?? 0;
  const before = repaired < 0 ? first : 0;
  return before + ((since.at(-1)?.event.seq ?? first - 1) - first + 1 - since.length);
}
