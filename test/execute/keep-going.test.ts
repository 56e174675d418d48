// After a failure: by default nothing new starts and what runs goes on to its end; with keep-going everything that does not
// depend on the failure runs.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { coloursFor } from '../../src/console/colours.ts';
import { runSummary } from '../../src/console/run-summary.ts';
import type { RunEvent } from '../../src/events/run-events.ts';
import { NOTHING_DELIVERED } from '../../src/execute/deliver-outputs.ts';
import { foldRun } from '../../src/report/run-report.ts';
import { Conductor } from '../support/conductor.ts';
import { Engine, ofType } from '../support/engine.ts';
import { job, plan } from '../support/plans.ts';

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

const heads = ['segmentation', 'detection', 'classification'] as const;
/** QAT of three heads on one backbone, then the merge; detection's diverges. */
const strategy = () =>
  plan([
    job('backbone'),
    ...heads.map((head) =>
      job(
        `qat[${head}]`,
        head === 'detection'
          ? { conductor: conductor.path, fail: { reason: 'loss-not-finite', message: 'loss is NaN at step 3' } }
          : { conductor: conductor.path, head },
        { inputs: { backbone: 'backbone.out' } },
      ),
    ),
    job('export[segmentation]', {}, { inputs: { head: 'qat[segmentation].out' } }),
    job('merge', {}, { inputs: Object.fromEntries(heads.map((head) => [head, `qat[${head}].out`])) }),
  ]);
const states = (events: readonly RunEvent[]) =>
  Object.fromEntries((foldRun(events)?.stages ?? []).map(({ id, state }) => [id, state]));
const summary = (events: readonly RunEvent[]): string => {
  const report = foldRun(events);
  return report === undefined
    ? ''
    : runSummary(report, NOTHING_DELIVERED, coloursFor(process.stdout, { NO_COLOR: '1' }));
};

test('by default what runs goes on to its end, and nothing new starts', async () => {
  const segmentation = conductor.hold('qat[segmentation] started');
  const run = await engine.start(strategy(), { resources: { cpu: 2 } });
  const standing = await segmentation;
  await run.until('stage-failed');
  standing.go();
  expect(await run.finished).toMatchObject({ outcome: 'failed', exitCode: 1 });
  expect(states(run.events)).toEqual({
    backbone: 'succeeded',
    'qat[segmentation]': 'succeeded',
    'qat[detection]': 'failed',
    'qat[classification]': 'pending',
    'export[segmentation]': 'pending',
    merge: 'pending', // one head is not there yet: it waits rather than being blocked
  });
  expect(summary(run.events)).toContain('3 stages not started after the failure; --keep-going runs what does not');
  expect(summary(run.events)).toContain('Failed: 2 ran, 0 cached, 0 not taken, 1 failed, 3 not started');
});

test('with keep-going the other heads are finished, and only what needs the failed one is blocked', async () => {
  const { outcome, events } = await engine.run(strategy(), { keepGoing: true, options: { keepGoing: true } });
  expect(outcome).toMatchObject({ outcome: 'failed', exitCode: 1 });
  expect(states(events)).toEqual({
    backbone: 'succeeded',
    'qat[segmentation]': 'succeeded',
    'qat[detection]': 'failed',
    'qat[classification]': 'succeeded',
    'export[segmentation]': 'succeeded',
    merge: 'blocked',
  });
  expect(ofType(events, 'stage-blocked')).toMatchObject([{ stage: 'merge', by: 'qat[detection]' }]);
  expect(summary(events)).toMatch(/4 ran, 0 cached, 0 not taken, 1 failed, 1 blocked in .* --keep-going\)/);
});

test('the run after it takes what was finished and runs the rest', async () => {
  await engine.run(strategy(), { resources: { cpu: 1 } });
  const { events } = await engine.run(strategy(), { keepGoing: true });
  expect(states(events)).toMatchObject({
    backbone: 'cached',
    'qat[segmentation]': 'cached',
    'qat[classification]': 'succeeded',
  });
});
