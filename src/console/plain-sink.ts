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
      if (line !== undefined) output.write(`${colours.dim(clock(now() - startedAt))} ${line}\n`);
    },
    say: (text) => void output.write(`${text}\n`),
    close: () => undefined,
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
  return {
    onEvent: (event) => output.write(`${JSON.stringify(event)}\n`),
    say: () => undefined, // a machine reads it
    close: () => undefined,
  };
}

export const silentSink: Sink = { onEvent: () => undefined, say: () => undefined, close: () => undefined };

/** `01:23` since the start. */
export function clock(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
}
