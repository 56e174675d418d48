// Estimates of time and disk: what earlier runs took, played through with the tokens there are.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { forecast, type RunForecast } from '../../src/compose/forecast.ts';
import { wallClockOf } from '../../src/execute/estimate.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { openStore } from '../../src/store/store.ts';
import { Engine } from '../support/engine.ts';
import { ELSE, gate, job, metricsStage, plan, stage } from '../support/plans.ts';

describe('the time from start to end', () => {
  const tokens = { cpu: 2, job: 1000 };
  const a = job('a');
  const b = job('b');
  const long = job('long');
  const last = job('last', {}, { inputs: { x: 'a.out', y: 'b.out', z: 'long.out' } });
  const times: { readonly [id: string]: number } = { a: 10, b: 10, long: 30, last: 5 };
  const time = (id: string): number => times[id] ?? 0;

  test('is the critical path when there are cores enough, and the work shared out when there are not', () => {
    expect(wallClockOf([a, b, long, last], time, { cpu: 8, job: 8 })).toBe(35);
    expect(wallClockOf([a, b, long, last], time, tokens)).toBe(45);
    expect(wallClockOf([a, b, long, last], time, { cpu: 8, job: 1 })).toBe(55);
  });
  test('counts what stages hold: threads, tokens, and more than there is as all there is', () => {
    const gpu = (id: string) => job(id, {}, { resources: { gpu: 1 } });
    expect(wallClockOf([gpu('a'), gpu('b')], time, tokens)).toBe(20);
    expect(wallClockOf([job('a', {}, { threads: 2 }), b], time, tokens)).toBe(20);
    expect(wallClockOf([job('a', {}, { threads: 64 })], time, tokens)).toBe(10);
  });
  test('passes through stages that take none', () => {
    const middle = stage('middle', 'select', { inputs: { in: 'a.out' }, outputs: { in: 'file' } });
    expect(wallClockOf([a, middle, job('b', {}, { inputs: { in: 'middle.in' } })], time, tokens)).toBe(20);
  });
  test('of ten thousand stages is found at once', () => {
    const fan = Array.from({ length: 10_000 }, (_, index) => job(`s${index}`));
    const before = performance.now();
    expect(wallClockOf(fan, () => 1, tokens)).toBe(5000);
    expect(performance.now() - before).toBeLessThan(2000);
  });
});

describe('a plan’s estimate', () => {
  let engine: Engine;
  beforeEach(async () => {
    engine = await Engine.inNewFolder();
  });
  afterEach(async () => {
    await engine.remove();
  });

  const foresee = (of: Plan, jobs?: number): Promise<RunForecast> =>
    forecast(
      {
        plan: of,
        forced: new Set(),
        store: openStore(engine.root),
        embedded: { argv: engine.worker, code: { worker: 'test', onnxruntime: '0' } },
      },
      jobs === undefined ? {} : { jobs },
    );
  const work = (rate: number, more: readonly string[] = []): Plan =>
    plan([
      job('a', { rate, outputs: { out: 'twelve bytes' } }),
      job('b', { outputs: { out: 'more' } }, { inputs: { in: 'a.out' } }),
      ...more.map((id) => job(id, { rate, outputs: { out: 'x' } })),
    ]);

  test('has nothing to go by at first, and says for which stages', async () => {
    const { estimate, totals } = await foresee(work(1));
    expect(estimate).toMatchObject({ unknown: ['a', 'b'], least: { workMs: 0, bytes: 0 }, fits: true });
    expect(totals).toMatchObject({ run: 2, restore: 0 });
  });

  test('takes the stage’s own last time and bytes, else those of its kind; the rest only may run', async () => {
    await engine.run(work(1));
    const { estimate, stages, totals } = await foresee(work(2, ['c']));
    expect(stages.map(({ stage: id, estimate: one }) => [id, one?.from])).toEqual([
      ['a', 'stage'],
      ['b', 'stage'],
      ['c', 'kind'],
    ]);
    expect(totals).toMatchObject({ run: 2, 'run-unless-unchanged': 1 });
    expect(stages[0]?.estimate?.bytes).toBe(12);
    expect(estimate.most.bytes - estimate.least.bytes).toBe(4);
    expect(estimate.most.workMs).toBeGreaterThan(estimate.least.workMs);
    expect(estimate.unknown).toEqual([]);
    expect(estimate.freeBytes).toBeGreaterThan(0);
  });

  test('of an item or iteration that is new goes by the others of its stage', async () => {
    const others = ['b', 'c', 'd'].map((id) => job(id, { outputs: { out: id } }));
    await engine.run(plan([job('tune/body[0]/step', { outputs: { out: 'twelve bytes' } }), ...others]));
    const { stages } = await foresee(plan([job('tune/body[1]/step', { rate: 2 }), job('e', { rate: 2 })]));
    expect(stages.map(({ estimate: one }) => one?.bytes)).toEqual([1, 1]);
    const both = [job('tune/body[0]/step', { rate: 2 }), job('tune/body[1]/step', { rate: 2 })];
    expect((await foresee(plan(both))).stages.map(({ estimate: one }) => one?.bytes)).toEqual([12, 12]);
  });

  test('is nothing when everything is cached, and counts every end that a stage can have', async () => {
    const stopping = plan([
      metricsStage('check', 0.1),
      gate('gate', 'check.metrics', [{ name: 'pass', criteria: [{ metric: 'primary', atLeast: 0.9 }] }, ELSE('low')]),
      job('next', {}, { after: ['gate:pass'] }),
      stage('stop', 'stop', { after: ['gate:low'], settings: { reason: 'too low' } }),
      job('lost', {}, { files: [{ name: 'gone', path: 'gone' }] }),
      job('behind', {}, { inputs: { in: 'lost.out' } }),
    ]);
    await engine.run(plan(stopping.stages.slice(0, 4)));
    const { estimate, totals } = await foresee(stopping);
    expect(estimate.most).toEqual({ workMs: 0, wallClockMs: 0, bytes: 0 });
    expect(totals).toEqual({
      run: 0,
      'run-unless-unchanged': 0,
      unknown: 0,
      restore: 2,
      'not-taken': 1,
      'stop-the-run': 1,
      fail: 1,
      'be-blocked': 1,
    });
  });
});
