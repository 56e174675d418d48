// A run that another one of the same process takes over from: what both need goes on, the rest stops with a resume state.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runId } from '../../src/events/ids.ts';
import { forecastRun } from '../../src/execute/forecast.ts';
import { tokenSupply } from '../../src/execute/run-plan.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { foldRun } from '../../src/report/run-report.ts';
import { LatestKeys } from '../../src/store/actions.ts';
import { readJournal } from '../../src/store/journal.ts';
import { runFolder } from '../../src/store/runs.ts';
import { openStore } from '../../src/store/store.ts';
import { isDigest, type Digest } from '../../src/support/digest.ts';
import { Conductor } from '../support/conductor.ts';
import { Engine, ofType, statesOf } from '../support/engine.ts';
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

const training = (id: string, rate: number, more: object = {}) =>
  job(id, { rate, steps: 3, conductor: conductor.path, outputs: { out: { chain: true } }, ...more });
const pair = (leftRate: number) =>
  plan([training('left', leftRate), training('right', 9), job('after', {}, { inputs: { in: 'right.out' } })]);

async function keysOf(planned: Plan): Promise<ReadonlySet<Digest>> {
  const store = openStore(engine.root);
  const latest = await LatestKeys.open(store.layout, planned.workflow);
  const code = { worker: 'test', onnxruntime: '0' };
  const forecasts = await forecastRun({ plan: planned, store, latest, code, forced: new Set() });
  const keys = forecasts.flatMap((one) => (one.will === 'run' && one.key !== undefined ? [one.key] : []));
  return new Set(keys.filter(isDigest));
}

test('a job that the new plan needs too goes on, once; one that it does not need stops with its resume state', async () => {
  const [left, right] = [conductor.hold('left step 2'), conductor.hold('right step 2')];
  const tokens = tokenSupply({ resources: { cpu: 2 } });
  const first = await engine.start(pair(1), { tokens });
  const [, heldRight] = await Promise.all([left, right]);

  const next = runId('20261122-000000000-0000');
  const replacement = conductor.hold('left step 1');
  expect(first.supersede(next, await keysOf(pair(2)), 60_000)).toEqual({ kept: ['right'], stopped: ['left'] });
  const second = await engine.start(pair(2), { tokens, run: next });
  // The other left starts while the job of the first run still stands where it stood.
  (await replacement).go();
  heldRight.go();
  expect(await first.finished).toMatchObject({ outcome: 'superseded', exitCode: 0 });
  expect(await second.finished).toMatchObject({ outcome: 'succeeded' });

  expect(statesOf(first.events)).toEqual({ left: 'cancelled', right: 'succeeded' });
  expect(ofType(first.events, 'stage-cancelled')).toMatchObject([{ stage: 'left', checkpointed: true }]);
  expect(statesOf(second.events)).toEqual({ left: 'succeeded', right: 'cached', after: 'succeeded' });
  expect(conductor.points.filter((point) => point === 'right started')).toHaveLength(1);

  const journal = await readJournal(runFolder(openStore(engine.root).layout, first.run));
  expect(foldRun(journal.events)).toMatchObject({
    supersededBy: next,
    finished: { outcome: 'superseded' },
    stages: [{ state: 'cancelled' }, { state: 'succeeded' }, { state: 'pending' }],
  });
});

test('a stale job that does not listen is killed after the grace, and its tokens go to the next run', async () => {
  const held = conductor.hold('left step 1');
  const tokens = tokenSupply({ resources: { cpu: 1 } });
  const deaf = plan([training('left', 1, { deaf: true })]);
  const first = await engine.start(deaf, { tokens });
  await held;
  const next = runId('20261122-000000000-0000');
  expect(first.supersede(next, new Set(), 1)).toEqual({ kept: [], stopped: ['left'] });
  const second = await engine.run(plan([training('left', 2)]), { tokens, run: next });
  expect((await first.finished).outcome).toBe('superseded');
  expect(second.states).toEqual({ left: 'succeeded' });
});

test('work that is wanted again while it stops is continued from its resume state', async () => {
  const held = conductor.hold('left step 2');
  const first = await engine.start(plan([training('left', 1)]));
  await held;
  first.supersede(runId('20261122-000000000-0000'), new Set(), 60_000);
  const second = await engine.run(plan([training('left', 1)]));
  await first.finished;
  expect(ofType(second.events, 'stage-started')).toMatchObject([{ stage: 'left', resumed: true }]);
  expect(conductor.points.filter((point) => point.startsWith('left step'))).toEqual(
    [1, 2, 3].map((n) => `left step ${n}`),
  );
});

test('a kept job that fails has failed for the new run too, and is not tried again', async () => {
  const failing = () => plan([training('left', 1, { fail: { reason: 'bad', message: 'no luck' } })]);
  const held = conductor.hold('left step 2');
  const first = await engine.start(failing());
  const left = await held;
  first.supersede(runId('20261122-000000000-0000'), await keysOf(failing()), 60_000);
  const second = await engine.start(failing());
  left.go();
  expect((await first.finished).outcome).toBe('superseded');
  expect((await second.finished).exitCode).toBe(1);
  expect(ofType(second.events, 'stage-failed')).toMatchObject([{ failure: { failure: { message: 'no luck' } } }]);
  expect(conductor.points.filter((point) => point === 'left started')).toHaveLength(1);
});

test('a superseded run that waits for the work of another ends at once', async () => {
  const held = conductor.hold('left step 1');
  const first = await engine.start(plan([training('left', 1)]));
  const left = await held;
  const keep = await keysOf(plan([training('left', 1)]));
  first.supersede(runId('20261122-000000000-0000'), keep, 60_000);
  const second = await engine.start(plan([training('left', 1)]));
  second.supersede(runId('20261122-000000000-0001'), keep, 60_000);
  expect(await second.finished).toMatchObject({ outcome: 'superseded' });
  left.go();
  await first.finished;
  expect(statesOf(first.events)).toEqual({ left: 'succeeded' });
});
