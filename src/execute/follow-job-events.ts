// Follows a job's events.jsonl while it grows: whole lines only, whatever the runner's writes look like. Lines that are no
// events are passed over: progress is news, and a runner's slip there must not fail its work.
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { JobEvent } from '../events/job-protocol.ts';
import { isJsonObject } from '../support/json.ts';

const POLL_MS = 150;
const KNOWN_TYPES: ReadonlySet<unknown> = new Set<JobEvent['type']>([
  'progress',
  'metrics',
  'note',
  'proof',
  'resume-state',
]);

export interface FollowedEvents {
  /** Reads what is left and stops. Call after the job has ended. */
  finish(): Promise<void>;
}

export function followJobEvents(jobFolder: string, onEvent: (event: JobEvent) => void): FollowedEvents {
  const path = join(jobFolder, 'events.jsonl');
  const decoder = new StringDecoder('utf8');
  let file: FileHandle | undefined;
  let position = 0;
  let partial = '';

  const readOn = async (): Promise<void> => {
    file ??= await open(path, 'r').catch(() => undefined);
    if (file === undefined) return;
    const buffer = Buffer.alloc(1 << 16);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      const lines = (partial + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) {
        const event = parseJobEvent(line);
        if (event !== undefined) onEvent(event);
      }
    }
  };

  let reading = Promise.resolve();
  const timer = setInterval(() => {
    reading = reading.then(readOn);
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

export function parseJobEvent(line: string): JobEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) && KNOWN_TYPES.has(value['type']) ? (value as JobEvent & typeof value) : undefined;
  } catch {
    return undefined;
  }
}
