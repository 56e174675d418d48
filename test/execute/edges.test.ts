// What edges mean: conditional edges, joins, collections; not-taken and blocked are never the same.
import { describe, expect, test } from 'vitest';
import { stageId, type StageId } from '../../src/events/ids.ts';
import { readinessOf, type StageView } from '../../src/execute/edges.ts';
import { collect, oneOf, stage } from '../support/plans.ts';

const output = (digest: string) => ({ digest, type: 'file', bytes: 1 });
const done = (port = 'out', chosen?: string): StageView => ({
  is: 'done',
  outputs: { [port]: output(`${port}-digest`) },
  ...(chosen === undefined ? {} : { chosen }),
});
const worked = (key: string, milliseconds: number): StageView => ({
  is: 'done',
  outputs: {},
  work: { key, milliseconds },
});
const notTaken: StageView = { is: 'not-taken', gate: stageId('g'), chosen: 'pass' };
const failed: StageView = { is: 'failed', by: stageId('broken') };
const views =
  (known: { readonly [id: string]: StageView }) =>
  (id: StageId): StageView =>
    known[id] ?? { is: 'open' };

describe('an input from another stage', () => {
  const reader = stage('reader', 'command', { inputs: { in: 'a.out' } });
  test('is there when the stage is done', () => {
    expect(readinessOf(reader, views({ a: done() }))).toMatchObject({
      is: 'ready',
      inputs: { artifacts: [{ port: 'in', output: output('out-digest') }] },
    });
  });
  test('makes its reader wait while it is open', () => {
    expect(readinessOf(reader, views({}))).toMatchObject({ is: 'waiting', for: [{ what: 'end', stage: 'a' }] });
  });
  test('makes its reader not taken when it was not taken', () => {
    expect(readinessOf(reader, views({ a: notTaken }))).toEqual({ is: 'not-taken', gate: 'g', chosen: 'pass' });
  });
  test('blocks its reader when it failed', () => {
    expect(readinessOf(reader, views({ a: failed }))).toEqual({ is: 'blocked', by: 'broken' });
  });
});

describe('a condition on a gate', () => {
  const finetune = stage('finetune', 'command', { after: ['g:finetune|escalate'] });
  test.each(['finetune', 'escalate'])('holds for the case %s that it names', (chosen) => {
    expect(readinessOf(finetune, views({ g: done('verdict', chosen) })).is).toBe('ready');
  });
  test('is not taken for any other case, and says which was chosen', () => {
    expect(readinessOf(finetune, views({ g: done('verdict', 'pass') }))).toEqual({
      is: 'not-taken',
      gate: 'g',
      chosen: 'pass',
    });
  });
  test('waits for the case, not for the gate’s artifact', () => {
    expect(readinessOf(finetune, views({}))).toMatchObject({ is: 'waiting', for: [{ what: 'case', stage: 'g' }] });
  });
  test('is blocked when the gate failed', () => {
    expect(readinessOf(finetune, views({ g: failed })).is).toBe('blocked');
  });
});

describe('a join of two branches', () => {
  const head = stage('head', 'select', { inputs: { head: oneOf({ 'g:pass': 'a.out', 'g:finetune': 'b.out' }) } });
  test('takes the artifact of the branch that was chosen and does not look at the other', () => {
    const readiness = readinessOf(head, views({ g: done('verdict', 'pass'), a: done(), b: notTaken }));
    expect(readiness).toMatchObject({ is: 'ready', inputs: { artifacts: [{ from: { stage: 'a' } }] } });
  });
  test('waits for the gate alone while it is open', () => {
    const waiting = readinessOf(head, views({ a: done() }));
    expect(waiting.is === 'waiting' && new Set(waiting.for.map(({ stage }) => stage))).toEqual(new Set(['g']));
  });
  test('is not taken at a case that ends the run', () => {
    expect(readinessOf(head, views({ g: done('verdict', 'stop'), a: done() })).is).toBe('not-taken');
  });
});

describe('several edges at once', () => {
  const merge = stage('merge', 'command', {
    inputs: { heads: collect({ detection: 'a.out', segmentation: 'b.out' }) },
  });
  test('a collection has one input per key', () => {
    const readiness = readinessOf(merge, views({ a: done(), b: done() }));
    expect(readiness.is === 'ready' && readiness.inputs.artifacts.map(({ port }) => port)).toEqual([
      'heads[detection]',
      'heads[segmentation]',
    ]);
  });
  test('a collection never goes on without one of its members', () => {
    expect(readinessOf(merge, views({ a: done(), b: notTaken })).is).toBe('not-taken');
  });
  test('not taken wins over blocked, in any order', () => {
    expect(readinessOf(merge, views({ a: failed, b: notTaken })).is).toBe('not-taken');
    expect(readinessOf(merge, views({ a: notTaken, b: failed })).is).toBe('not-taken');
  });
  test('a stage whose other input is open is not blocked yet: it may turn out not taken', () => {
    expect(readinessOf(merge, views({ a: failed })).is).toBe('waiting');
  });
});

describe('a stage that decides on the time of others', () => {
  const judge = stage('judge', 'gate', { timed: ['a', 'b', 'c'] });
  test('adds up what each record took, once where two stages share it, and nothing for what was not taken', () => {
    const known = { a: worked('k1', 30), b: worked('k2', 12), c: notTaken };
    expect(readinessOf(judge, views(known))).toMatchObject({ is: 'ready', inputs: { spentMs: 42 } });
    const shared = { ...known, c: worked('k1', 30) };
    expect(readinessOf(judge, views(shared))).toMatchObject({ is: 'ready', inputs: { spentMs: 42 } });
  });
  test('waits for all of them, and is blocked by one that failed', () => {
    const known = { a: worked('k1', 30), c: notTaken };
    expect(readinessOf(judge, views(known))).toMatchObject({ is: 'waiting', for: [{ what: 'end', stage: 'b' }] });
    expect(readinessOf(judge, views({ ...known, b: failed }))).toEqual({ is: 'blocked', by: 'broken' });
  });
});
