// How stages fail: each way has its own reason, blocks only what needs it, and leaves nothing in the store.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StageFailure } from '../../src/events/failures.ts';
import type { PlannedStage } from '../../src/plan/plan.ts';
import { Engine, ofType } from '../support/engine.ts';
import { ELSE, gate, job, metricsStage, plan, script, stage } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

async function failureOf(...stages: readonly PlannedStage[]): Promise<StageFailure | undefined> {
  const { events, outcome } = await engine.run(plan(stages));
  expect(outcome).toMatchObject({ outcome: 'failed', exitCode: 1 });
  return ofType(events, 'stage-failed')[0]?.failure;
}

describe('a command', () => {
  test('that exits with a code fails with the code and what it printed last', async () => {
    expect(await failureOf(script('bad', `console.error('no such layer'); process.exitCode = 3`))).toEqual({
      reason: 'command-exited',
      exitCode: 3,
      signal: null,
      stderrTail: 'no such layer',
    });
  });
  test('that is not installed fails with its name', async () => {
    const missing = stage('bad', 'command', { settings: { argv: ['headgate-no-such-program'], outputs: {} } });
    expect(await failureOf(missing)).toEqual({
      reason: 'command-not-found',
      command: 'headgate-no-such-program',
      code: 'ENOENT',
    });
  });
  test('that does not write a declared output fails with its path', async () => {
    expect(await failureOf(script('bad', '', { outputs: { model: 'file' }, paths: { model: 'a/model.bin' } }))).toEqual(
      {
        reason: 'output-missing',
        port: 'model',
        path: 'a/model.bin',
      },
    );
  });
  test('that takes too long is stopped', async () => {
    expect(await failureOf(script('bad', 'setInterval(() => {}, 1000)', { timeoutMs: 50 }))).toEqual({
      reason: 'timed-out',
      timeoutMs: 50,
    });
  });
  test('whose arguments name an unknown port fails before it starts', async () => {
    expect(await failureOf(script('bad', '', { args: ['{input:nothing}'] }))).toMatchObject({
      reason: 'settings-invalid',
    });
  });
  test('runs at the root, where its files are', async () => {
    await writeFile(join(engine.root, 'copy.sh'), 'cp data.txt "$1"\n');
    await writeFile(join(engine.root, 'data.txt'), 'content');
    const copy = stage('copy', 'command', {
      outputs: { out: 'file' },
      files: [{ name: 'data.txt', path: 'data.txt' }],
      settings: { argv: ['sh', 'copy.sh', '{output:out}'], outputs: { out: { type: 'file', path: 'out.txt' } } },
    });
    expect((await engine.run(plan([copy]))).states).toEqual({ copy: 'succeeded' });
    expect((await engine.run(plan([copy]))).states).toEqual({ copy: 'cached' });
    await writeFile(join(engine.root, 'data.txt'), 'changed');
    const { events } = await engine.run(plan([copy]));
    expect(ofType(events, 'stage-started')[0]?.cause).toMatchObject({
      because: 'changed',
      changes: [{ pointer: '/files/data.txt' }],
    });
  });
});

describe('metrics', () => {
  const bad = (text: string): PlannedStage =>
    script('bad', `require('fs').writeFileSync(process.argv[1], ${JSON.stringify(text)})`, {
      outputs: { metrics: 'metrics' },
      args: ['{output:metrics}'],
    });
  test.each(['NaN', '-Infinity', 'null', '"high"'])('that are %s are refused by name', async (value) => {
    expect(await failureOf(metricsStage('bad', value))).toMatchObject({ reason: 'metric-not-finite', metric: 'score' });
  });
  test('without the primary metric are refused', async () => {
    expect(
      await failureOf(bad('{"format":"headgate-metrics","version":1,"task":"t","primary":"mAP","values":{"loss":1}}')),
    ).toEqual({
      reason: 'metric-missing',
      metric: 'mAP',
      available: ['loss'],
    });
  });
  test('in another form are refused with an example', async () => {
    expect(await failureOf(bad('{"mAP": 0.5}'))).toMatchObject({ reason: 'metrics-malformed', port: 'metrics' });
  });
  test('that a gate looks for and does not find fail the gate, and block what hangs on it', async () => {
    const { events, states } = await engine.run(
      plan([
        metricsStage('check', 1),
        gate('gate', 'check.metrics', [{ name: 'pass', criteria: [{ metric: 'mIoU', atLeast: 0.5 }] }, ELSE('low')]),
        script('low', '', { after: ['gate:low'] }),
      ]),
    );
    expect(states).toEqual({ check: 'succeeded', gate: 'failed', low: 'blocked' });
    expect(ofType(events, 'stage-failed')[0]?.failure).toEqual({
      reason: 'metric-missing',
      metric: 'mIoU',
      available: ['score'],
    });
  });
});

describe('an output outside the job’s folder', () => {
  beforeEach(async () => {
    await writeFile(join(engine.root, 'secret.txt'), 'secret');
  });
  test.each([
    ['by its path', { paths: { out: '../job.json' } }],
    ['by an absolute path', { paths: { out: '/etc/hostname' } }],
    ['through a link', { outputs: { out: { link: '../../../../../../../secret.txt' } } }],
    [
      'through a link in a folder',
      { outputs: { out: { tree: { 'a.txt': 'a', 'b.txt': { link: '../../job.json' } } } } },
    ],
    ['through a link to nothing', { outputs: { out: { link: '/nowhere/at/all' } } }],
  ])('is refused: %s', async (_, settings) => {
    expect(await failureOf(job('bad', settings, { outputs: { out: 'file' } }))).toMatchObject({
      reason: 'output-escapes',
      port: 'out',
    });
  });
  test('is refused even when the link is to a folder', async () => {
    await mkdir(join(engine.root, 'elsewhere'));
    const linking = script(
      'bad',
      `require('fs').mkdirSync(process.argv[1]); require('fs').symlinkSync(process.argv[2], process.argv[1] + '/inner')`,
      {
        args: ['{output:out}', join(engine.root, 'elsewhere')],
      },
    );
    expect(await failureOf(linking)).toMatchObject({ reason: 'output-escapes' });
  });
});

describe('a runner of the job protocol', () => {
  test('may fail with its own words', async () => {
    const failure = { reason: 'freeze-violated', message: 'backbone.conv1.weight[3] moved', details: { index: 3 } };
    expect(await failureOf(job('bad', { fail: failure }))).toEqual({ reason: 'job-failed', failure });
  });
  test('that dies leaves a failure with its signal', async () => {
    expect(await failureOf(job('bad', { crash: true }))).toMatchObject({ reason: 'result-missing', signal: 'SIGKILL' });
  });
  test('that answers with another attempt’s token publishes nothing', async () => {
    expect(await failureOf(job('bad', { token: 'stale' }))).toMatchObject({ reason: 'result-malformed' });
    expect((await engine.run(plan([job('bad', { token: 'stale' })]))).states).toEqual({ bad: 'failed' });
  });
  test('of another protocol version is refused', async () => {
    expect(await failureOf(job('bad', { protocol: 2 }))).toMatchObject({ reason: 'result-malformed' });
  });
  test('is tried again as often as the stage says, and goes on from its resume state', async () => {
    const { events, states } = await engine.run(plan([job('flaky', { steps: 2, crash: true }, { retries: 1 })]));
    expect(states).toEqual({ flaky: 'failed' });
    expect(ofType(events, 'stage-started').map(({ attempt, resumed }) => [attempt, resumed])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect(ofType(events, 'stage-retried')).toHaveLength(1);
    const steps = ofType(events, 'job-reported').filter(({ event }) => event.type === 'progress');
    expect(steps).toHaveLength(2); // none of them twice
  });
});

test('a failure blocks what needs it and, where the run is to keep going, lets the rest go on', async () => {
  const { states } = await engine.run(
    plan([
      script('bad', 'process.exitCode = 1'),
      script('needs', '', { inputs: { in: 'bad.out' } }),
      script('needs-that', '', { inputs: { in: 'needs.out' } }),
      script('independent', `require('fs').writeFileSync(process.argv[1], 'x')`, { args: ['{output:out}'] }),
    ]),
    { keepGoing: true },
  );
  expect(states).toEqual({ bad: 'failed', needs: 'blocked', 'needs-that': 'blocked', independent: 'succeeded' });
});

test('a fault that nothing notices fails the stage and leaves no record', async () => {
  const faults = new Map([[job('a').id, { scope: 'backbone' }]]);
  expect((await engine.run(plan([job('a')]), { faults })).states).toEqual({ a: 'failed' });
  expect((await engine.run(plan([job('a')]))).states).toEqual({ a: 'succeeded' });
});

test('a file that is edited while its reader runs fails the stage: the outputs belong to neither version', async () => {
  await writeFile(join(engine.root, 'data.txt'), 'before');
  const edits = script(
    'edits',
    `require('fs').writeFileSync('data.txt', 'after'); require('fs').writeFileSync(process.argv[1], 'x')`,
    {
      args: ['{output:out}'],
      files: [{ name: 'data', path: 'data.txt' }],
    },
  );
  expect(await failureOf(edits)).toEqual({ reason: 'file-changed', name: 'data', path: 'data.txt' });
});

test('a stage that gives other bytes for the same key is told apart as not deterministic', async () => {
  const random = plan([
    script('random', `require('fs').writeFileSync(process.argv[1], process.hrtime().join())`, {
      args: ['{output:out}'],
    }),
  ]);
  await engine.run(random);
  const { events } = await engine.run(random, { forced: new Set(random.stages.map(({ id }) => id)) });
  const notes = ofType(events, 'job-reported').flatMap(({ event }) => (event.type === 'note' ? [event.text] : []));
  expect(notes).toEqual([expect.stringMatching(/^out came out different from run .* not deterministic$/)]);
});

test('a failure that the job itself tells drops its resume state: the next attempt starts over', async () => {
  const failing = job('bad', { steps: 2, fail: { reason: 'internal', message: 'm' } }, { retries: 1 });
  const { events } = await engine.run(plan([failing]));
  expect(ofType(events, 'stage-started').map(({ resumed }) => resumed)).toEqual([false, false]);
});
