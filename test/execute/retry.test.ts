// Trying again: for what, after how long, without holding anything meanwhile. The clock is the test's.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StageFailure } from '../../src/events/failures.ts';
import { delayBefore, isTriedAgain } from '../../src/execute/retry.ts';
import { foldRun } from '../../src/report/run-report.ts';
import type { Clock } from '../../src/support/clock.ts';
import { deferred } from '../../src/support/deferred.ts';
import { Conductor } from '../support/conductor.ts';
import { Engine, ofType } from '../support/engine.ts';
import { job, plan, script } from '../support/plans.ts';

const timedOut: StageFailure = { reason: 'timed-out', timeoutMs: 5 };
const told = (reason: string): StageFailure => ({ reason: 'job-failed', failure: { reason, message: 'm' } });
const backoff = { firstMs: 1000, factor: 2, mostMs: 5000, jitter: false };

describe('what is tried again', () => {
  const again = (failure: StageFailure, on?: readonly string[], tries = 1): boolean =>
    isTriedAgain({ retries: 2, retryRules: { backoff, ...(on === undefined ? {} : { on }) } }, failure, tries);

  test.each([timedOut, told('internal'), told('out-of-memory')])('by itself: %j', (failure) => {
    expect(again(failure)).toBe(true);
  });
  test.each([
    told('freeze-violated'),
    told('load-order'),
    told('protocol'),
    told('loss-not-finite'),
    { reason: 'settings-invalid', problem: 'p' },
    { reason: 'output-escapes', port: 'out', path: '..' },
    { reason: 'metrics-malformed', port: 'm', problem: 'p' },
    told('settings'),
    told('profile'),
    told('merged-model'),
    told('release-changed'),
    told('import-differs'),
  ] satisfies StageFailure[])('not what stays as it is: %j', (failure) => {
    expect(again(failure)).toBe(false);
  });
  test('only what is named, where something is named', () => {
    expect(again(timedOut, ['command-exited'])).toBe(false);
    expect(again(told('loss-not-finite'), ['job-failed:loss-not-finite'])).toBe(true);
    expect(again(told('gradient'), ['job-failed'])).toBe(true);
    expect(again(told('gradient'), ['job-failed:loss-not-finite'])).toBe(false);
  });
  test("a package's own reason, as its kind says", () => {
    const words = { meaning: 'm', remedy: 'r' };
    const ownReasons = { 'x-busy': { ...words, mayPass: true }, 'x-broken': { ...words, mayPass: false } };
    const tried = ['x-busy', 'x-broken', 'x-undeclared'].map((word) =>
      isTriedAgain({ retries: 1, ownReasons }, told(word), 1),
    );
    expect(tried).toEqual([true, false, true]);
  });
  test('only as often as the stage says', () => {
    expect([1, 2, 3].map((tries) => again(timedOut, undefined, tries))).toEqual([true, true, false]);
  });
});

describe('the wait before the next try', () => {
  test('grows by its factor up to the most', () => {
    expect([1, 2, 3, 4, 9].map((tries) => delayBefore(backoff, tries, ''))).toEqual([1000, 2000, 4000, 5000, 5000]);
  });
  test('with jitter lies in its upper half, elsewhere for each stage and the same for the same', () => {
    const delays = ['a', 'b', 'c', 'd'].map((salt) => delayBefore({ ...backoff, jitter: true }, 1, salt));
    expect(new Set(delays).size).toBe(4);
    for (const delay of delays) expect(delay).toBeGreaterThanOrEqual(500);
    for (const delay of delays) expect(delay).toBeLessThanOrEqual(1000);
    expect(delayBefore({ ...backoff, jitter: true }, 1, 'a')).toBe(delays[0]);
  });
});

describe('a stage that is tried again', () => {
  let engine: Engine;
  let conductor: Conductor;
  beforeEach(async () => {
    engine = await Engine.inNewFolder();
    conductor = await Conductor.inNewFolder();
  });
  afterEach(async () => {
    await conductor.remove();
    await engine.remove();
  });

  /** Fails so many times, each time with the number of the try as exit code, then succeeds. */
  const flaky = (times: number, id = 'flaky', resources = {}) =>
    script(
      id,
      `const fs = require('fs'); const [, out] = process.argv;
       fs.appendFileSync('${id}.tries', 'x'); const tries = fs.readFileSync('${id}.tries').length;
       if (tries <= ${times}) process.exitCode = tries; else fs.writeFileSync(out, 'done')`,
      { args: ['{output:out}'], retries: 2, retryRules: { backoff }, resources },
    );
  const asked: number[] = [];
  const instant: Clock = {
    wait: async (milliseconds) => {
      asked.push(milliseconds);
    },
  };
  beforeEach(() => {
    asked.length = 0;
  });

  test('and succeeds has succeeded; each wait is told and kept', async () => {
    const { outcome, events, states } = await engine.run(plan([flaky(2)]), { clock: instant });
    expect(outcome).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    expect(states).toEqual({ flaky: 'succeeded' });
    expect(ofType(events, 'stage-retried').map(({ attempt, delayMs }) => [attempt, delayMs])).toEqual([
      [2, 1000],
      [3, 2000],
    ]);
    expect(asked).toEqual([1000, 2000]);
    expect(foldRun(events)?.stages[0]).not.toHaveProperty('failure');
  });

  test('and fails in the end shows the first cause and how often it was tried', async () => {
    const { outcome, events } = await engine.run(plan([flaky(9)]), { clock: instant });
    expect(outcome.exitCode).toBe(1);
    expect(ofType(events, 'stage-failed')).toMatchObject([
      { attempts: 3, failure: { exitCode: 3 }, firstFailure: { exitCode: 1 } },
    ]);
    expect(foldRun(events)?.stages[0]).toMatchObject({ attempts: 3, firstFailure: { exitCode: 1 } });
  });

  test('leaves its tokens to others while it waits', async () => {
    const [waiting, over] = [deferred<void>(), deferred<void>()];
    const clock: Clock = {
      wait: async () => {
        waiting.resolve();
        await over.promise;
      },
    };
    const held = conductor.hold('other started');
    const other = job('other', { conductor: conductor.path }, { resources: { gpu: 1 } });
    const run = await engine.start(plan([flaky(1, 'flaky', { gpu: 1 }), other]), { clock, resources: { cpu: 4 } });
    await waiting.promise;
    const standing = await held; // it has the only gpu now
    over.resolve();
    expect(ofType(run.events, 'stage-started').map(({ stage }) => stage)).toEqual(['flaky', 'other']);
    standing.go();
    expect((await run.finished).exitCode).toBe(0);
    expect(ofType(run.events, 'stage-started').map(({ stage }) => stage)).toEqual(['flaky', 'other', 'flaky']);
  });

  test('does not hold up an interrupt by its wait', async () => {
    const waiting = deferred<void>();
    const clock: Clock = {
      wait: (_, until) =>
        new Promise((resolve) => {
          until.addEventListener('abort', () => resolve());
          waiting.resolve();
        }),
    };
    const run = await engine.start(plan([flaky(1)]), { clock });
    await waiting.promise;
    run.interrupt('SIGTERM');
    expect(await run.finished).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
    expect(ofType(run.events, 'stage-cancelled')).toHaveLength(1);
    expect(ofType(run.events, 'stage-failed')).toEqual([]);
  });
});
