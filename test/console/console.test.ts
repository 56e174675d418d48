// Words, numbers, lines and the summary, as they are printed without colour.
import { describe, expect, test } from 'vitest';
import { changeWords, causeWords } from '../../src/console/cause-words.ts';
import { coloursFor, noColours } from '../../src/console/colours.ts';
import { eventLine } from '../../src/console/event-lines.ts';
import { failureWords } from '../../src/console/failure-words.ts';
import { plainSink } from '../../src/console/plain-sink.ts';
import { byteSize, duration, metricValue, shortNumber } from '../../src/console/quantities.ts';
import { runSummary } from '../../src/console/run-summary.ts';
import type { StageFailure } from '../../src/events/failures.ts';
import { runId, stageId } from '../../src/events/ids.ts';
import type { RunEvent, RunEventBody } from '../../src/events/run-events.ts';
import { foldRun } from '../../src/report/run-report.ts';

describe('quantities', () => {
  test.each([
    [400, '0.4 s'],
    [12_000, '12 s'],
    [185_000, '3 min 05 s'],
    [7_800_000, '2 h 10 min'],
  ])('%d ms is %s', (milliseconds, text) => {
    expect(duration(milliseconds)).toBe(text);
  });
  test.each([
    [12, '12 B'],
    [999_600, '1.00 MB'],
    [30_900_000, '30.9 MB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(byteSize(bytes)).toBe(text);
  });
  test('fractions are percent, other numbers keep four digits', () => {
    expect([metricValue(0.7444, 'fraction'), metricValue(5.678912, 'px'), shortNumber(1.5e-7), shortNumber(3)]).toEqual(
      ['74.44 %', '5.679', '1.50e-7', '3'],
    );
  });
  test('a negative number has a minus, its exponent keeps the hyphen', () => {
    expect([metricValue(-0.02, 'fraction'), shortNumber(-3), shortNumber(-1.5e-7)]).toEqual([
      '−2.00 %',
      '−3',
      '−1.50e-7',
    ]);
  });
});

describe('what a failed program printed', () => {
  const failed = (stderrTail: string): string =>
    eventLine(
      event({
        type: 'stage-failed',
        stage: stageId('a'),
        failure: { reason: 'command-exited', exitCode: 3, signal: null, stderrTail },
      }),
      noColours,
    ) ?? '';
  test('is shown below, colours too', () => {
    expect(failed('one\n\u001b[31mtwo\u001b[0m')).toContain('\n    one\n    \u001b[31mtwo\u001b[0m\n');
  });
  test('does not fill the screen with codes where it is no text', () => {
    expect(failed('\ufffd\u0001x\u0000'.repeat(500))).toContain('\n    (what it printed is no text)\n');
  });
});

describe('every failure', () => {
  const failures: readonly StageFailure[] = [
    {
      reason: 'job-failed',
      failure: {
        reason: 'freeze-violated',
        message: 'backbone.conv1.weight[3] moved',
        remedy: 'Look at the learning rate.',
      },
    },
    { reason: 'command-exited', exitCode: 3, signal: null, stderrTail: 'x' },
    { reason: 'command-not-found', command: 'nothing' },
    { reason: 'result-missing', exitCode: null, signal: 'SIGKILL', stderrTail: '' },
    { reason: 'result-malformed', problem: 'p' },
    { reason: 'output-missing', port: 'a', path: 'b' },
    { reason: 'output-escapes', port: 'a', path: 'b' },
    { reason: 'timed-out', timeoutMs: 1 },
    { reason: 'metric-missing', metric: 'm', available: [] },
    { reason: 'metric-not-finite', metric: 'm', value: 'NaN' },
    { reason: 'metrics-malformed', port: 'm', problem: 'p' },
    { reason: 'reference-not-positive', metric: 'm', value: 0 },
    { reason: 'unit-mismatch', metric: 'm', unit: 'a', referenceUnit: 'b' },
    { reason: 'file-missing', name: 'n', path: 'p' },
    { reason: 'file-changed', name: 'n', path: 'p' },
    { reason: 'object-damaged', port: 'p', digest: 'd', times: 3 },
    { reason: 'settings-invalid', problem: 'p' },
  ];
  test.each(failures.map((failure) => [failure.reason, failure] as const))('%s has words', (_, failure) => {
    const { message, help } = failureWords(failure);
    expect(message).not.toMatch(/undefined|\[object/);
    expect(`${message}${help ?? ''}`.length).toBeGreaterThan(0);
  });
  test('of a job says what the job said, and its remedy', () => {
    expect(failureWords(failures[0] as StageFailure)).toEqual({
      message: 'backbone.conv1.weight[3] moved (freeze-violated)',
      help: 'Look at the learning rate.',
    });
  });
});

describe('causes', () => {
  test('name the field, old and new; digests are cut', () => {
    const digest = `"${'ab'.repeat(32)}"`;
    expect(changeWords({ pointer: '/settings/rate', before: '0.1', after: '0.2' })).toBe('/settings/rate 0.1 → 0.2');
    expect(changeWords({ pointer: '/code/worker', before: '"a"', after: '"b"' })).toBe(
      'headgate\'s own code changed: /code/worker "a" → "b"',
    );
    expect(changeWords({ pointer: '/inputs/head', before: null, after: digest })).toBe(
      '/inputs/head (absent) → abababababab',
    );
  });
  test('of many changes show the first and count the rest', () => {
    const changes = [1, 2, 3, 4, 5].map((n) => ({ pointer: `/${n}`, before: '0', after: '1' }));
    expect(causeWords({ because: 'changed', changes })).toBe('/1 0 → 1; /2 0 → 1; /3 0 → 1; and 2 more');
  });
});

test('colour is for terminals that want it', () => {
  expect(coloursFor({ isTTY: true }, {}).red('x')).not.toBe('x');
  expect(coloursFor({ isTTY: true }, { NO_COLOR: '1' }).red('x')).toBe('x');
  expect(coloursFor({ isTTY: true }, { CI: 'true' }).red('x')).toBe('x');
  expect(coloursFor({ isTTY: false }, {}).red('x')).toBe('x');
});

const id = stageId;
const event = (body: RunEventBody, seq = 0): RunEvent => ({
  ...body,
  run: runId('r'),
  seq,
  time: '2024-01-02T03:04:05.000Z',
});
const outlines = [
  { id: id('qat[detection]'), name: 'qat', kind: 'qat', task: 'detection', role: 'qat' },
  { id: id('gate'), name: 'gate', kind: 'gate' },
];
const start: RunEventBody = {
  type: 'run-started',
  workflow: 'w',
  name: 'demo',
  params: {},
  options: {},
  pid: 1,
  headgate: '0',
  stages: outlines,
};
const progress = (done: number): RunEventBody => ({
  type: 'job-reported',
  stage: id('qat[detection]'),
  event: { type: 'progress', unit: 'epoch', done, total: 9, loss: 0.41234, rate: 310.4, secondsLeft: 80 },
});

test('plain lines thin progress out: the first, then one in a while, and the last', () => {
  let text = '';
  let now = 0;
  const sink = plainSink({ write: (part: string) => (text += part) }, noColours, () => now);
  sink.onEvent(event(start));
  for (let done = 1; done <= 9; done++) {
    now += 2000;
    sink.onEvent(event(progress(done)));
  }
  sink.close();
  const lines = text.trimEnd().split('\n').slice(1);
  expect(lines.map((line) => /epoch (\d)/.exec(line)?.[1])).toEqual(['1', '6', '9']);
  expect(lines[0]).toBe('00:02 qat[detection] epoch 1/9, loss 0.4123, 310/s, 1 min 20 s left');
});

test('the summary has tables, gates, proofs, files and counts, and a stop’s reason last', () => {
  const report = foldRun(
    [
      start,
      {
        type: 'stage-restored',
        stage: id('qat[detection]'),
        key: 'k',
        outputs: {},
        summary: {},
        madeBy: 'r0',
        facts: {
          metrics: [
            {
              port: 'm',
              task: 'detection',
              primary: 'mAP',
              values: { mAP: 0.7444 },
              units: { mAP: 'fraction' },
              higherIsBetter: { mAP: true },
            },
          ],
          proofs: [{ name: 'freeze', held: true, text: 'backbone: 48 tensors bit-equal' }],
        },
      } as const,
      {
        type: 'gate-decided',
        stage: id('gate'),
        chosen: 'low',
        cached: false,
        verdict: {
          case: 'low',
          evidence: [
            {
              case: 'pass',
              head: 'detection',
              metric: 'mAP',
              unit: 'fraction',
              value: 0.7,
              reference: 0.8,
              percent: 87.5,
              rule: 'percentOfReference',
              threshold: 99,
              margin: -11.5,
              held: false,
            },
          ],
        },
      } as const,
      { type: 'run-stopped', stage: id('stop'), reason: 'Too far from float.', gates: [id('gate')] } as const,
      { type: 'run-finished', outcome: 'stopped', exitCode: 3, milliseconds: 65_000, counts: {} } as const,
    ].map((body, seq) => event(body, seq)),
  );
  if (report === undefined) throw new Error('no report');
  const text = runSummary(
    report,
    {
      files: [{ stage: 'export', port: 'onnx', path: '.headgate/out/demo/export.onnx', bytes: 30_000 }],
      notDelivered: [
        { stage: 'wider', port: 'onnx', why: 'not-taken', earlier: '.headgate/out/demo/wider.onnx' },
        { stage: 'wider', port: 'report', why: 'not-taken' },
        { stage: 'table', port: 'csv', why: 'failed' },
      ],
      removed: ['.headgate/out/demo/old.csv'],
      kept: [
        { path: '.headgate/out/demo/a.csv', as: '.headgate/out/demo/a.csv.aside-1' },
        { path: '.headgate/out/demo/b' },
      ],
    },
    noColours,
  );
  expect(text).toContain(' QAT ');
  expect(text).toContain('74.44 %');
  expect(text).toContain('freeze: 1 of 1 held');
  expect(text).toContain('export.onnx  .headgate/out/demo/export.onnx  30.0 kB');
  expect(text).toContain(
    [
      'Not delivered',
      '  wider.onnx, wider.report: a gate chose otherwise',
      '  table.csv: failed',
      '  .headgate/out/demo/wider.onnx is of an earlier run',
      '',
      'Put right',
      '  removed .headgate/out/demo/old.csv, which an earlier run delivered and this workflow no longer gives',
      '  moved what lay at .headgate/out/demo/a.csv to .headgate/out/demo/a.csv.aside-1: it was not delivered by headgate',
      '  left .headgate/out/demo/b: it is no longer delivered, but was changed since',
    ].join('\n'),
  );
  expect(text).toContain('Stopped: 0 ran, 1 cached, 0 not taken, 1 not started in 1 min 05 s (run r)');
  expect(text.trimEnd().split('\n').slice(-2)).toEqual([
    '  detection mAP 70.00 % is 87.50 % of 80.00 %, pass asks 99 %: falls short (−11.5)',
    'Too far from float.',
  ]);
});
