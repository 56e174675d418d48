// Follows a job's events.jsonl while it grows: whole lines only, whatever the runner's writes look like. Lines that are no
// events are passed over: progress is news, and a runner's slip there must not fail its work; nor may a flood of them
// fill the journal or the memory of the engine.
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { JobEvent } from '../events/job-protocol.ts';
import { Stopwatch } from '../support/clock.ts';
import { openRegularFile } from '../support/regular-file.ts';
import { parseJobEvent } from './parse-job-event.ts';

const POLL_MS = 150;
/** More than any event needs; a longer line is none. */
const LONGEST_LINE = 1 << 20;
/** What a job may tell at once, and then for every second that it runs: a training tells a few events a second. */
const EVENTS = { atOnce: 20_000, aSecond: 20 };
const BYTES = { atOnce: 64 << 20, aSecond: 64 << 10 };

export interface FollowedEvents {
  /** Reads what is left and stops. Call after the job has ended. */
  finish(): Promise<void>;
}

export function followJobEvents(jobFolder: string, onEvent: (event: JobEvent) => void): FollowedEvents {
  const path = join(jobFolder, 'events.jsonl');
  const decoder = new StringDecoder('utf8');
  let file: FileHandle | undefined;
  let position = 0;
  let heard = 0;
  let partial = '';
  /** Inside a line that is too long: up to its end nothing is kept. */
  let skipping = false;
  let deaf = false;
  const listening = new Stopwatch();
  const allowed = ({ atOnce, aSecond }: typeof EVENTS): number => atOnce + (aSecond * listening.milliseconds) / 1000;

  const hear = (line: string): void => {
    const event = parseJobEvent(line);
    if (event === undefined || deaf) return;
    heard++;
    onEvent(event);
    if (heard > allowed(EVENTS)) stopHearing(`${heard} events`);
  };
  const stopHearing = (what: string): void => {
    deaf = true;
    onEvent({ type: 'note', level: 'warning', text: `the job told ${what} in no time; the rest is passed over` });
  };

  const readOn = async (): Promise<void> => {
    if (deaf) return;
    file ??= await openRegularFile(path).catch(() => undefined);
    if (file === undefined) return;
    const buffer = Buffer.alloc(1 << 16);
    while (!deaf) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      const [rest = '', ...lines] = decoder.write(buffer.subarray(0, bytesRead)).split('\n').reverse();
      for (const line of lines.reverse()) {
        if (!skipping) hear(partial + line);
        partial = '';
        skipping = false;
      }
      if (partial.length + rest.length > LONGEST_LINE) skipping = true;
      partial = skipping ? '' : partial + rest;
      if (position > allowed(BYTES) && !deaf) stopHearing(`${position >> 20} MiB of events`);
    }
  };

  let reading = Promise.resolve();
  const timer = setInterval(() => {
    reading = reading.then(readOn);
    reading.catch(() => undefined); // `finish` tells
  }, POLL_MS);
  return {
    finish: async () => {
      clearInterval(timer);
      await reading;
      await readOn();
      await file?.close();
    },
  };
}
