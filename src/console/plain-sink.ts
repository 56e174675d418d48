// Progress for pipes and logs: one line per event, progress at most once in a while per stage.
import type { RunEvent } from '../events/run-events.ts';
import type { Colours } from './colours.ts';
import { eventLine } from './event-lines.ts';

export interface Sink {
  readonly onEvent: (event: RunEvent) => void;
  /** Text of its own between the events: whole lines. */
  say(text: string): void;
  /** Leaves the terminal as it should be; nothing is printed afterwards. */
  close(): void;
}

export interface Output {
  write(text: string): unknown;
}

const DECIDED_KINDS = new Set(['gate', 'select']);
const PROGRESS_EVERY_MS = 10_000;

export function plainSink(output: Output, colours: Colours, now: () => number = Date.now): Sink {
  const lastProgress = new Map<string, number>();
  const startedAt = now();
  const quiet = quietStages();
  const out = gathered(output);
  return {
    onEvent: (event) => {
      if (quiet(event)) return;
      if (event.type === 'job-reported' && event.event.type === 'progress') {
        const time = now();
        const last = lastProgress.get(event.stage);
        const finalStep = event.event.done === event.event.total;
        if (last !== undefined && time - last < PROGRESS_EVERY_MS && !finalStep) return;
        lastProgress.set(event.stage, time);
      }
      const line = eventLine(event, colours);
      if (line !== undefined) out.write(`${colours.dim(clock(now() - startedAt))} ${line}\n`);
    },
    say: (text) => out.write(`${text}\n`),
    close: () => out.flush(),
  };
}

/** Lines that come in one turn are written at once: a thousand restored stages are one write. */
function gathered(output: Output): { write(text: string): void; flush(): void } {
  let waiting = '';
  const flush = (): void => {
    const text = waiting;
    waiting = '';
    if (text !== '') output.write(text);
  };
  return {
    write: (text) => {
      if (waiting === '') setImmediate(flush);
      waiting += text;
    },
    flush,
  };
}

/** Tells events that say nothing new: a gate's start and end beside its decision, a selection's at all. */
export function quietStages(): (event: RunEvent) => boolean {
  const decidedHere = new Set<string>();
  return (event) => {
    if (event.type === 'run-started' || event.type === 'run-resumed') {
      for (const { id, kind } of event.stages ?? []) if (DECIDED_KINDS.has(kind)) decidedHere.add(id);
    }
    if (event.type === 'stage-blocked') return true; // the summary counts them with the failure
    const passing =
      event.type === 'stage-started' || event.type === 'stage-succeeded' || event.type === 'stage-restored';
    return passing && decidedHere.has(event.stage);
  };
}

/** One JSON line per event, as journaled. */
export function jsonlSink(output: Output): Sink {
  const out = gathered(output);
  return {
    onEvent: (event) => out.write(`${JSON.stringify(event)}\n`),
    say: () => undefined, // a machine reads it
    close: () => out.flush(),
  };
}

export const silentSink: Sink = { onEvent: () => undefined, say: () => undefined, close: () => undefined };

/** `01:23` since the start. */
export function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}
