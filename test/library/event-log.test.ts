// Events for readers at their own pace: none is lost, memory is bounded, and nobody waits for a reader.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runId, stageId } from '../../src/events/ids.ts';
import type { RunEvent } from '../../src/events/run-events.ts';
import { EventLog } from '../../src/library/event-log.ts';
import { Journal } from '../../src/store/journal.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-log-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function opened(held: number): { readonly log: EventLog; readonly emit: (count: number, text?: string) => void } {
  const log = new EventLog(held);
  log.openedIn(folder);
  const journal = Journal.open(folder);
  let seq = 0;
  const emit = (count: number, text = ''): void => {
    for (let made = 0; made < count; made++) {
      const event = { type: 'note', level: 'info', text } as const;
      const what: RunEvent = {
        type: 'job-reported',
        stage: stageId('a'),
        event,
        run: runId('r'),
        seq: seq++,
        time: '',
      };
      journal.append(what);
      log.push(what);
    }
  };
  return { log, emit };
}

async function numbers(log: EventLog): Promise<readonly number[]> {
  const seen: number[] = [];
  for await (const { seq } of log) seen.push(seq);
  return seen;
}
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

test('a reader that comes late gets everything, from the journal and then from memory', async () => {
  const { log, emit } = opened(4);
  emit(1000);
  log.end();
  expect(await numbers(log)).toEqual(upTo(1000));
});

test('a reader that falls behind again and again misses nothing and sees nothing twice', async () => {
  const { log, emit } = opened(4);
  emit(3);
  const seen: number[] = [];
  for await (const { seq } of log) {
    seen.push(seq);
    if (seq === 1 || seq === 50 || seq === 300) emit(200);
    if (seen.length === 603) log.end();
  }
  expect(seen).toEqual(upTo(603));
});

test('a line longer than what is read at once is read whole', async () => {
  const { log, emit } = opened(1);
  emit(1, 'x'.repeat(700_000));
  emit(10);
  log.end();
  expect(await numbers(log)).toEqual(upTo(11));
});

test('a reader that waits is woken by the end, and by an error', async () => {
  const { log, emit } = opened(4);
  const [first, second] = [numbers(log), numbers(log)];
  emit(2);
  log.end();
  expect([await first, await second]).toEqual([
    [0, 1],
    [0, 1],
  ]);
  const failing = opened(4).log;
  const reading = numbers(failing);
  failing.end({ error: new Error('the disk is gone') });
  await expect(reading).rejects.toThrow('the disk is gone');
});
