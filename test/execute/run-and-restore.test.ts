// What a run does the first time and the next: commands, gates, joins, early cut-off.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Engine, ofType } from '../support/engine.ts';
import { ELSE, gate, metricsStage, oneOf, plan, script, stage } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

const WRITE = `require('fs').writeFileSync(process.argv[1], process.argv[2])`;
const COPY = `const fs = require('fs'); fs.writeFileSync(process.argv[1], fs.readFileSync(process.argv[2], 'utf8') + process.argv[3])`;

function strategy(options: { readonly score?: number; readonly threshold?: number; readonly float?: string } = {}) {
  return plan([
    script('float', WRITE, { outputs: { head: 'file' }, args: ['{output:head}', options.float ?? 'weights'] }),
    metricsStage('check', options.score ?? 0.97),
    metricsStage('reference', 1),
    gate(
      'gate',
      'check.metrics',
      [
        { name: 'pass', criteria: [{ metric: 'primary', percentOfReference: options.threshold ?? 99 }] },
        ELSE('finetune'),
      ],
      {
        inputs: { reference: 'reference.metrics' },
      },
    ),
    script('finetune', COPY, {
      outputs: { head: 'file' },
      after: ['gate:finetune'],
      inputs: { head: 'float.head' },
      args: ['{output:head}', '{input:head}', '+finetuned'],
    }),
    stage('head', 'select', {
      inputs: { head: oneOf({ 'gate:pass': 'float.head', 'gate:finetune': 'finetune.head' }) },
      outputs: { head: 'file' },
    }),
    script('use', COPY, { inputs: { head: 'head.head' }, args: ['{output:out}', '{input:head}', '+used'] }),
  ]);
}

describe('a plan with a gate', () => {
  test('takes the branch of the chosen case, and the second run restores all of it', async () => {
    const first = await engine.run(strategy());
    expect(first.states).toEqual({
      float: 'succeeded',
      check: 'succeeded',
      reference: 'succeeded',
      gate: 'succeeded',
      finetune: 'succeeded',
      head: 'succeeded',
      use: 'succeeded',
    });
    expect(first.outcome.exitCode).toBe(0);
    const [decided] = ofType(first.events, 'gate-decided');
    expect(decided).toMatchObject({ chosen: 'finetune', cached: false });

    const second = await engine.run(strategy());
    expect(new Set(Object.values(second.states))).toEqual(new Set(['cached']));
    expect(ofType(second.events, 'stage-started')).toEqual([]);
    expect(ofType(second.events, 'run-finished')[0]?.counts).toEqual({ cached: 7 });
  });

  test('does not take the branch of a case that was not chosen', async () => {
    const { states, outcome } = await engine.run(strategy({ score: 0.995 }));
    expect(states['finetune']).toBe('not-taken');
    expect(states['use']).toBe('succeeded');
    expect(outcome.outcome).toBe('succeeded');
  });

  test('decides again from cached metrics when its threshold is edited, and runs only what the branch needs', async () => {
    await engine.run(strategy({ threshold: 99 }));
    const same = await engine.run(strategy({ threshold: 98 }));
    // The case is the same and so is its head: whatever follows is restored.
    expect(same.states).toMatchObject({
      check: 'cached',
      gate: 'succeeded',
      finetune: 'cached',
      head: 'cached',
      use: 'cached',
    });
    const flipped = await engine.run(strategy({ threshold: 97 }));
    expect(flipped.states).toMatchObject({
      check: 'cached',
      gate: 'succeeded',
      finetune: 'not-taken',
      use: 'succeeded',
    });
    const [started] = ofType(flipped.events, 'stage-started');
    expect(started).toMatchObject({
      stage: 'gate',
      cause: {
        because: 'changed',
        changes: [{ pointer: '/settings/cases/0/criteria/0/percentOfReference', before: '98', after: '97' }],
      },
    });
  });
});

test('a stage that gives the same bytes again stops the wave', async () => {
  const chain = (note: string) =>
    plan([
      script('first', `${WRITE} // ${note}`, { args: ['{output:out}', 'same bytes'] }),
      script('second', COPY, { inputs: { in: 'first.out' }, args: ['{output:out}', '{input:in}', '!'] }),
    ]);
  await engine.run(chain('as it was'));
  const { states } = await engine.run(chain('edited'));
  expect(states).toEqual({ first: 'succeeded', second: 'cached' });
});

test('renaming a stage runs nothing', async () => {
  const named = (name: string) => plan([script(name, WRITE, { args: ['{output:out}', 'x'] })]);
  await engine.run(named('old'));
  expect((await engine.run(named('new'))).states).toEqual({ new: 'cached' });
});

test('two stages with equal work do it once', async () => {
  const twin = (id: string) => script(id, WRITE, { args: ['{output:out}', 'x'] });
  const { events, states } = await engine.run(plan([twin('left'), twin('right')]));
  expect(ofType(events, 'stage-started')).toHaveLength(1);
  expect(Object.values(states).sort()).toEqual(['cached', 'succeeded']);
});
