// One line of a journal: an event as JSON that says of itself whether it is whole. Its first field is the form, its last the
// seal over every byte before it; a damaged line has lost at least one of the two. Lines of the first form, which older
// programs wrote, have neither and are checked field by field.
import { isFirstFormEvent } from '../events/first-form.ts';
import type { RunEvent } from '../events/run-events.ts';
import { sealOf } from '../support/seal.ts';

export interface WholeLine {
  readonly event: RunEvent;
  readonly form: 1 | 2;
}

const OPENING = '{"form":2,';
const BEFORE_SEAL = ',"seal":"';
const AFTER_SEAL = '"}';
const SEAL_CHARACTERS = sealOf('').length;
const TAIL_BYTES = BEFORE_SEAL.length + SEAL_CHARACTERS + AFTER_SEAL.length;

/** An event's line of the journal, its line break included. */
export function lineOf(event: RunEvent): string {
  const body = `${OPENING}${JSON.stringify(event).slice(1, -1)}`;
  return `${body}${BEFORE_SEAL}${sealOf(body)}${AFTER_SEAL}\n`;
}

/** The event of a line without its line break; undefined when it is not what was written. */
export function readLine(line: Buffer): WholeLine | undefined {
  const opens = startsWith(line, OPENING, 0);
  const isSealed = line.length > TAIL_BYTES && startsWith(line, BEFORE_SEAL, line.length - TAIL_BYTES);
  if (opens || isSealed) return opens && isSealed ? readSealed(line) : undefined;
  const event = parsed(line.toString('utf8'));
  return isFirstFormEvent(event) ? { event, form: 1 } : undefined;
}

/** Whether a line of the present form is whole: for a look at bytes that may be of any kind and length. */
export function isSealedLine(line: Buffer): boolean {
  return startsWith(line, OPENING, 0) && readSealed(line) !== undefined;
}

function readSealed(line: Buffer): WholeLine | undefined {
  if (line.length <= OPENING.length + TAIL_BYTES) return undefined;
  const end = line.length - TAIL_BYTES;
  const tail = `${BEFORE_SEAL}${sealOf(line.subarray(0, end))}${AFTER_SEAL}`;
  if (!startsWith(line, tail, end)) return undefined;
  // The seal vouches that this is what a program of this form wrote.
  const event = parsed(`{${line.toString('utf8', OPENING.length, end)}}`);
  return event === undefined ? undefined : { event: event as RunEvent, form: 2 };
}

function startsWith(line: Buffer, text: string, at: number): boolean {
  return line.length >= at + text.length && line.toString('latin1', at, at + text.length) === text;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
