// Events folded into what people see.
import { describe, expect, test } from 'vitest';
import { runId, stageId } from '../../src/events/ids.ts';
import type { MetricsFact, RunEvent, RunEventBody, StageOutline } from '../../src/events/run-events.ts';
import { headTables } from '../../src/report/head-tables.ts';
import { foldRun, type RunReport } from '../../src/report/run-report.ts';

const run = runId('20240102-030405006-abcd');
const id = stageId;

function fold(...bodies: readonly RunEventBody[]): RunReport {
  const report = foldRun(
    bodies.map((body, seq): RunEvent => ({ ...body, run, seq, time: `2024-01-02T03:04:0${seq % 10}.000Z` })),
  );
  if (report === undefined) throw new Error('no report');
  return report;
}

const started = (...stages: readonly StageOutline[]): RunEventBody => ({
  type: 'run-started',
  workflow: 'w.json',
  name: 'w',
  params: {},
  options: {},
  pid: 1,
  headgate: '0',
  stages,
});
const outline = (name: string, more: Partial<StageOutline> = {}): StageOutline => ({
  id: id(name),
  name,
  kind: 'train',
  ...more,
});
const stateOf = (report: RunReport, name: string) => report.stages.find((stage) => stage.id === name);

const begin = (name: string): RunEventBody => ({
  type: 'stage-started',
  stage: id(name),
  key: 'k',
  attempt: 1,
  cause: { because: 'never-run' },
  resumed: false,
});
const succeed = (name: string, metrics: readonly MetricsFact[] = []): RunEventBody => ({
  type: 'stage-succeeded',
  stage: id(name),
  key: 'k',
  outputs: {},
  summary: {},
  milliseconds: 5,
  facts: { metrics, proofs: [] },
});

describe('what fell short', () => {
  const decide = (name: string, chosen: string, short?: string): RunEventBody => ({
    type: 'gate-decided',
    stage: id(name),
    chosen,
    verdict: { case: chosen, evidence: [] },
    cached: false,
    ...(short === undefined ? {} : { short }),
  });
  const gates = started(...['a', 'b', 'c'].map((name) => outline(name, { kind: 'gate' })));

  test('is each name once, of gates whose decision stands', () => {
    const decided = [decide('a', 'short', 'detection'), decide('b', 'short', 'detection'), decide('c', 'pass')];
    expect(fold(gates, ...decided, ...['a', 'b', 'c'].map((name) => succeed(name))).short).toEqual(['detection']);
    expect(fold(gates, ...decided).short).toEqual([]);
  });

  test('is no longer so when the gate has decided otherwise since', () => {
    const again = [decide('a', 'short', 'detection'), succeed('a'), decide('a', 'pass'), succeed('a')];
    expect(fold(gates, ...again).short).toEqual([]);
  });

  test('is nothing in a journal that knows no such thing', () => {
    expect(fold(gates, decide('a', 'short'), succeed('a')).short).toEqual([]);
  });
});

describe('a run', () => {
  test('that has only begun has pending stages', () => {
    expect(fold(started(outline('a'))).stages.map(({ state }) => state)).toEqual(['pending']);
  });

  test('shows each stage as it ended, with why', () => {
    const report = fold(
      started(...['a', 'b', 'c', 'd', 'e'].map((name) => outline(name))),
      begin('a'),
      succeed('a'),
      { type: 'stage-restored', stage: id('b'), key: 'k', outputs: {}, summary: {}, madeBy: 'earlier' },
      { type: 'stage-not-taken', stage: id('c'), gate: id('g'), chosen: 'pass' },
      { type: 'stage-failed', stage: id('d'), failure: { reason: 'timed-out', timeoutMs: 5 } },
      { type: 'stage-blocked', stage: id('e'), by: id('d') },
      { type: 'run-finished', outcome: 'failed', exitCode: 1, milliseconds: 9, counts: {} },
    );
    expect(report.stages.map(({ state }) => state)).toEqual([
      'succeeded',
      'cached',
      'not-taken',
      'timed-out',
      'blocked',
    ]);
    expect(stateOf(report, 'b')?.madeBy).toBe('earlier');
    expect(stateOf(report, 'c')).toMatchObject({ gate: 'g', chosen: 'pass' });
    expect(report.finished?.exitCode).toBe(1);
  });

  test('that was killed and resumed keeps what was done and looks at the rest again', () => {
    const stages = [outline('a'), outline('b')];
    const killed = [started(...stages), begin('a'), succeed('a'), begin('b')];
    expect(stateOf(fold(...killed), 'b')?.state).toBe('running');
    const resumed = fold(...killed, {
      type: 'run-resumed',
      pid: 2,
      headgate: '0',
      stages: [...stages, outline('added')],
    });
    expect(resumed.stages.map(({ state }) => state)).toEqual(['succeeded', 'pending', 'pending']);
    expect(resumed.finished).toBeUndefined();
  });

  test('without its beginning is none', () => {
    expect(foldRun([])).toBeUndefined();
  });
});

describe('the table of a head', () => {
  const fact = (task: string, value: number, higher = true): MetricsFact => ({
    port: 'metrics',
    task,
    primary: 'mAP',
    values: { mAP: value, recall: 0.5 },
    units: { mAP: 'fraction' },
    higherIsBetter: { mAP: higher },
  });
  const measured = (rows: readonly (readonly [string, string, number])[], higher = true): RunReport =>
    fold(
      started(...rows.map(([role, task], index) => outline(`s${index}`, { role, task }))),
      ...rows.map(([, task, value], index) => succeed(`s${index}`, [fact(task, value, higher)])),
    );

  test('has its rows in the order of the strategy, others as they come, the report split last', () => {
    const [table] = headTables(
      measured([
        ['report-float', 'd', 0.7],
        ['integer', 'd', 0.7],
        ['qat', 'd', 0.7],
        ['w8a8', 'd', 0.7],
        ['w8a16', 'd', 0.7],
        ['float', 'd', 0.7],
        ['merged', 'd', 0.7],
        ['calibrated', 'd', 0.7],
      ]),
    );
    expect(table?.rows.map(({ role }) => role)).toEqual([
      'float',
      'calibrated',
      'qat',
      'merged',
      'integer',
      'w8a8',
      'w8a16',
      'report-float',
    ]);
    expect(table?.metrics).toEqual(['mAP', 'recall']);
  });

  test('compares with float, each split with its own, by the metric’s direction', () => {
    const rows = (higher: boolean) =>
      headTables(
        measured(
          [
            ['float', 'd', 0.8],
            ['qat', 'd', 0.4],
            ['report-float', 'd', 0.5],
            ['report-merged', 'd', 0.5],
          ],
          higher,
        ),
      )[0]?.rows.map(({ percentOfFloat }) => percentOfFloat);
    expect(rows(true)).toEqual([undefined, 50, undefined, 100]);
    expect(rows(false)).toEqual([undefined, 200, undefined, 100]);
  });

  test('there is one per head, and the last measurement of a role counts', () => {
    const tables = headTables(
      measured([
        ['float', 'a', 0.1],
        ['float', 'b', 0.2],
        ['float', 'a', 0.3],
      ]),
    );
    expect(tables.map(({ task, rows }) => [task, rows.map(({ facts }) => facts.values['mAP'])])).toEqual([
      ['a', [0.3]],
      ['b', [0.2]],
    ]);
  });
});
