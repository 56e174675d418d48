// The live block of a terminal: a line per running stage, gone when it has ended.
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { noColours } from '../../src/console/colours.ts';
import { liveSink } from '../../src/console/live-sink.ts';
import { runId, stageId } from '../../src/events/ids.ts';
import type { RunEventBody } from '../../src/events/run-events.ts';

test('shows what runs, keeps what has ended above it, and leaves the cursor where it should be', () => {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 60, rows: 24, fd: 1 });
  let raw = '';
  stream.setEncoding('utf8').on('data', (part: string) => {
    raw += part;
  });
  const sink = liveSink(stream, noColours);
  const tell = (body: RunEventBody): void =>
    sink.onEvent({ ...body, run: runId('r'), seq: 0, time: '2024-01-02T03:04:05.000Z' });
  const id = stageId('qat[detection]');
  tell({
    type: 'run-started',
    workflow: 'w',
    name: 'demo',
    params: {},
    options: {},
    pid: 1,
    headgate: '0',
    stages: [{ id, name: 'qat', kind: 'qat' }],
  });
  tell({ type: 'stage-started', stage: id, key: 'k', attempt: 1, cause: { because: 'never-run' }, resumed: false });
  tell({
    type: 'job-reported',
    stage: id,
    event: { type: 'progress', unit: 'epoch', done: 1, total: 2, loss: 0.5, secondsLeft: 5 },
  });
  tell({ type: 'job-reported', stage: id, event: { type: 'note', level: 'warning', text: 'an all-zero channel' } });
  tell({ type: 'stage-succeeded', stage: id, key: 'k', outputs: {}, summary: {}, milliseconds: 1000 });
  sink.close();
  const text = stripVTControlCharacters(raw);
  expect(text).toContain('qat[detection] warning: an all-zero channel\n');
  expect(text).toMatch(/qat\[detection\] ━{8}─{8} epoch 1\/2, loss 0\.5/);
  expect(text).toContain('qat[detection] done in 1.0 s\n');
  expect(text).toContain('1 of 1 stages, 0 cached');
  for (const line of text.split('\n').filter((one) => one.includes('━'))) expect(line.length).toBeLessThan(60);
});
