// The plan says what the run then does: three-valued where a gate decides, exact where nothing stands in between.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stageId } from '../../src/events/ids.ts';
import { forecastRun, type StageForecast } from '../../src/execute/forecast.ts';
import type { Plan, PlannedStage } from '../../src/plan/plan.ts';
import { LatestKeys } from '../../src/store/actions.ts';
import { openStore } from '../../src/store/store.ts';
import { Engine, ofType } from '../support/engine.ts';
import { collect, ELSE, gate, job, metricsStage, oneOf, plan, stage } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

async function forecast(
  planned: Plan,
  forced: readonly string[] = [],
): Promise<{ readonly [stage: string]: StageForecast }> {
  const store = openStore(engine.root);
  const latest = await LatestKeys.open(store.layout, planned.workflow);
  const code = { worker: 'test', onnxruntime: '0' };
  const forecasts = await forecastRun({ plan: planned, store, latest, code, forced: new Set(forced.map(stageId)) });
  return Object.fromEntries(forecasts.map((one) => [one.stage, one]));
}

const wills = (forecasts: { readonly [stage: string]: StageForecast }) =>
  Object.fromEntries(Object.entries(forecasts).map(([id, { will }]) => [id, will]));

/** Two heads on one backbone: calibrate, gate, maybe finetune, QAT, merge. */
function heads(rates: { readonly [head: string]: number } = {}, threshold = 0.9): Plan {
  const branch = (head: string, score: number): readonly PlannedStage[] => [
    job(`float[${head}]`, { outputs: { head: `float ${head}` } }),
    metricsStage(`check[${head}]`, score, {
      task: head,
      inputs: { backbone: 'backbone.out', head: `float[${head}].head` },
    }),
    gate(`gate[${head}]`, `check[${head}].metrics`, [
      { name: 'pass', criteria: [{ metric: 'primary', atLeast: threshold }] },
      ELSE('finetune'),
    ]),
    job(
      `finetune[${head}]`,
      { outputs: { head: `finetuned ${head}` } },
      { after: [`gate[${head}]:finetune`], inputs: { head: `float[${head}].head` } },
    ),
    stage(`chosen[${head}]`, 'select', {
      inputs: {
        head: oneOf({
          [`gate[${head}]:pass`]: `float[${head}].head`,
          [`gate[${head}]:finetune`]: `finetune[${head}].head`,
        }),
      },
      outputs: { head: 'file' },
    }),
    job(
      `qat[${head}]`,
      { rate: rates[head] ?? 0.1, outputs: { head: `qat ${head} ${rates[head] ?? 0.1}` } },
      { inputs: { head: `chosen[${head}].head` } },
    ),
  ];
  return plan([
    job('backbone', { outputs: { out: 'backbone' } }),
    ...branch('detection', 0.95),
    ...branch('segmentation', 0.8),
    job(
      'merge',
      { outputs: { out: { copy: 'heads[detection]' } } },
      { inputs: { heads: collect({ detection: 'qat[detection].head', segmentation: 'qat[segmentation].head' }) } },
    ),
    job('export', { outputs: { out: 'onnx' } }, { inputs: { merged: 'merge.out' } }),
  ]);
}

test('before anything has run, what hangs on a gate is unknown and the rest surely runs', async () => {
  expect(wills(await forecast(heads()))).toMatchObject({
    backbone: 'run',
    'check[detection]': 'run',
    'gate[detection]': 'run',
    'finetune[detection]': 'unknown',
    'chosen[detection]': 'unknown',
    'qat[detection]': 'unknown',
    export: 'unknown',
  });
});

test('with everything cached it is fully resolved, and the run does exactly that', async () => {
  await engine.run(heads());
  const foreseen = await forecast(heads());
  expect(wills(foreseen)).toMatchObject({
    'finetune[detection]': 'not-taken',
    'finetune[segmentation]': 'restore',
    export: 'restore',
  });
  const { states } = await engine.run(heads());
  for (const [id, { will }] of Object.entries(foreseen)) expect(states[id]).toBe(will === 'restore' ? 'cached' : will);
});

describe('one head’s learning rate', () => {
  test('announces that head’s stages from there on, merge and export, and the run does exactly those', async () => {
    await engine.run(heads());
    const changed = heads({ detection: 0.2 });
    const foreseen = await forecast(changed);
    const announced = Object.values(foreseen).filter(({ will }) => will !== 'restore' && will !== 'not-taken');
    expect(announced.map(({ stage: id }) => id)).toEqual(['qat[detection]', 'merge', 'export']);
    expect(foreseen['qat[detection]']).toMatchObject({
      will: 'run',
      cause: {
        because: 'changed',
        changes: expect.arrayContaining([{ pointer: '/settings/rate', before: '0.1', after: '0.2' }]) as unknown,
      },
    });
    expect(foreseen['export']).toMatchObject({ will: 'run-unless-unchanged', behind: ['merge'] });
    const { events } = await engine.run(changed);
    expect(ofType(events, 'stage-started').map(({ stage: id }) => id)).toEqual(['qat[detection]', 'merge', 'export']);
  });

  test('early cut-off only takes away from what was announced', async () => {
    await engine.run(heads());
    const changed = heads({ segmentation: 0.2 });
    // The merge of this plan copies the detection head: its bytes do not change, so the export is restored.
    expect(wills(await forecast(changed))).toMatchObject({
      merge: 'run-unless-unchanged',
      export: 'run-unless-unchanged',
    });
    expect((await engine.run(changed)).states).toMatchObject({
      'qat[segmentation]': 'succeeded',
      merge: 'succeeded',
      export: 'cached',
    });
  });
});

test('a threshold edited with metrics cached is decided in the plan, branches and all', async () => {
  await engine.run(heads());
  const stricter = await forecast(heads({}, 0.97));
  expect(stricter['gate[detection]']).toMatchObject({ will: 'run', chosen: 'finetune' });
  expect(stricter['finetune[detection]']).toMatchObject({ will: 'run' });
  const { states } = await engine.run(heads({}, 0.97));
  expect(states['finetune[detection]']).toBe('succeeded');
  expect(states['check[detection]']).toBe('cached');
  const looser = await forecast(heads({}, 0.5));
  expect(wills(looser)).toMatchObject({ 'gate[segmentation]': 'run', 'finetune[segmentation]': 'not-taken' });
});

test('what stands behind a stage that runs is certain to run when nothing was ever made with its settings', async () => {
  const chain = (rate: number) => plan([job('a', { rate }), job('b', { rate }, { inputs: { in: 'a.out' } })]);
  expect(wills(await forecast(chain(1)))).toEqual({ a: 'run', b: 'run' });
  await engine.run(chain(1));
  const both = await forecast(chain(2));
  expect(both['b']).toMatchObject({
    will: 'run',
    cause: { because: 'changed', changes: [{ pointer: '/settings/rate', before: '1', after: '2' }] },
  });
  expect(typeof (both['b'] as { estimateMs?: number }).estimateMs).toBe('number');
});

test('what only waits for an order, with its inputs known, is not announced to run', async () => {
  const ordered = (rate: number, score = 0.95) =>
    plan([
      job('other'),
      job('first', { rate }),
      metricsStage('check', score, { inputs: { head: 'first.out' } }),
      gate('gate', 'check.metrics', [{ name: 'pass', criteria: [{ metric: 'primary', atLeast: 0.9 }] }, ELSE('low')]),
      job('report', {}, { inputs: { in: 'other.out' }, after: ['first'] }),
      job('publish', {}, { inputs: { in: 'other.out' }, after: ['gate:pass'] }),
      job('announce', {}, { inputs: { in: 'publish.out' } }),
    ]);
  await engine.run(ordered(1));
  const foreseen = await forecast(ordered(2));
  expect(wills(foreseen)).toEqual({
    other: 'restore',
    first: 'run',
    check: 'run-unless-unchanged',
    gate: 'run-unless-unchanged',
    report: 'restore',
    publish: 'restore',
    announce: 'restore',
  });
  expect(foreseen['announce']).toMatchObject({ until: ['gate'] });
  expect((await engine.run(ordered(2))).states).toMatchObject({
    first: 'succeeded',
    report: 'cached',
    publish: 'cached',
    announce: 'cached',
  });
});

test('a forced stage is announced as forced', async () => {
  await engine.run(heads());
  expect((await forecast(heads(), ['qat[detection]']))['qat[detection]']).toMatchObject({
    will: 'run',
    cause: { because: 'forced' },
  });
});

test('a stop that is sure to come is announced', async () => {
  const stopping = plan([
    metricsStage('check', 0.1),
    gate('gate', 'check.metrics', [{ name: 'pass', criteria: [{ metric: 'primary', atLeast: 0.9 }] }, ELSE('low')]),
    stage('stop', 'stop', { after: ['gate:low'], settings: { reason: 'too low' } }),
  ]);
  expect((await forecast(stopping))['stop']).toMatchObject({ will: 'unknown', until: ['gate'] });
  expect((await engine.run(stopping)).outcome.exitCode).toBe(3);
  expect((await forecast(stopping))['stop']).toMatchObject({ will: 'stop-the-run', reason: 'too low' });
});

test('of two stages that do the same, one is announced to run and the other to take what that one makes', async () => {
  const same = { outputs: { out: 'the same' } };
  const twice = plan([job('first', same), job('again', same), job('other', { rate: 2 })]);
  const foreseen = await forecast(twice);
  expect(wills(foreseen)).toEqual({ first: 'run', again: 'restore', other: 'run' });
  expect(foreseen['again']).toMatchObject({ sharedWith: 'first' });
  const { states } = await engine.run(twice);
  expect(states).toEqual({ first: 'succeeded', again: 'cached', other: 'succeeded' });
});
