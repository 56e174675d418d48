// Keys and what is said about their changes.
import { describe, expect, test } from 'vitest';
import { changesBetween } from '../../src/execute/changes.ts';
import { decide, type Evidence } from '../../src/execute/decide.ts';
import { stageKey, staticPreImage } from '../../src/execute/key.ts';
import type { PlannedStage } from '../../src/plan/plan.ts';
import type { ActionRecord } from '../../src/store/actions.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { gate, stage } from '../support/plans.ts';

const CODE = { worker: 'w', onnxruntime: '1.30.0' };
const keyOf = (planned: PlannedStage, code = CODE, digest = 'd') =>
  stageKey(staticPreImage(planned, code, { files: {}, env: {} }), {
    artifacts: [{ port: 'head', from: { stage: planned.id, port: 'x' }, output: { digest, type: 'file', bytes: 1 } }],
  });
const base = stage('qat[detection]', 'qat', { settings: { rate: 0.1, epochs: 2 }, seed: 1, threads: 2 });

describe('a key', () => {
  test('depends on nothing that only names or places the work', () => {
    const renamed = stage('other', 'qat', {
      ...base,
      inputs: {},
      outputs: {},
      after: [],
      timeoutMs: 5,
      retries: 3,
      resources: { gpu: 1 },
    });
    expect(keyOf(renamed).key).toBe(keyOf(base).key);
  });
  test('does not depend on the order in which settings were written', () => {
    expect(keyOf({ ...base, settings: { epochs: 2, rate: 0.1 } }).key).toBe(keyOf(base).key);
  });
  test.each<[string, PlannedStage | undefined, typeof CODE, string]>([
    ['kind', { ...base, kind: 'finetune' }, CODE, 'd'],
    ['settings', { ...base, settings: { rate: 0.2, epochs: 2 } }, CODE, 'd'],
    ['seed', { ...base, seed: 2 }, CODE, 'd'],
    ['threads', { ...base, threads: 1 }, CODE, 'd'],
    ['worker', base, { ...CODE, worker: 'v' }, 'd'],
    ['runtime', base, { ...CODE, onnxruntime: '1.31.0' }, 'd'],
    ['input', base, CODE, 'e'],
  ])('depends on the %s', (_, planned, code, digest) => {
    expect(keyOf(planned ?? base, code, digest).key).not.toBe(keyOf(base).key);
  });
  test('of a gate does not depend on seed, threads or the worker', () => {
    const judge = gate('g', 'check.metrics', [{ name: 'else', criteria: [] }]);
    expect(keyOf({ ...judge, seed: 9, threads: 4 }, { ...CODE, worker: 'v' }).key).toBe(keyOf(judge).key);
  });
});

describe('changes between two pre-images', () => {
  test('are named by pointer, old and new', () => {
    const before: JsonObject = { settings: { rate: 0.1, heads: ['a', 'b'], 'a/b~c': 1 }, seed: 0 };
    const after: JsonObject = { settings: { rate: 0.2, heads: ['a', 'c'], extra: true, 'a/b~c': 2 }, seed: 0 };
    expect(changesBetween(before, after)).toEqual([
      { pointer: '/settings/a~1b~0c', before: '1', after: '2' },
      { pointer: '/settings/extra', before: null, after: 'true' },
      { pointer: '/settings/heads/1', before: '"b"', after: '"c"' },
      { pointer: '/settings/rate', before: '0.1', after: '0.2' },
    ]);
  });
  test('are none between equal ones', () => {
    expect(changesBetween({ a: [1, { b: null }] }, { a: [1, { b: null }] })).toEqual([]);
  });
});

describe('the decision', () => {
  const key = keyOf(base);
  const record: ActionRecord = {
    format: 'headgate-action',
    version: 1,
    key: key.key,
    preImage: key.preImage,
    outputs: {},
    summary: {},
    facts: { metrics: [], proofs: [] },
    madeBy: { run: 'r', stage: 's', attempt: 1, milliseconds: 1, time: '', host: {} },
  };
  const evidence: Evidence = { key, record: undefined, lost: undefined, previous: undefined, forced: false };
  test('is to restore when the record is there and its outputs are intact', () => {
    expect(decide({ ...evidence, record })).toEqual({ action: 'restore', record });
  });
  test('is to run when an output was lost, and names it', () => {
    expect(decide({ ...evidence, record, lost: { port: 'head', digest: 'd' } })).toEqual({
      action: 'run',
      cause: { because: 'output-lost', port: 'head', digest: 'd' },
    });
  });
  test('is to run what has never run, and what is forced', () => {
    expect(decide(evidence)).toEqual({ action: 'run', cause: { because: 'never-run' } });
    expect(decide({ ...evidence, record, forced: true })).toEqual({ action: 'run', cause: { because: 'forced' } });
  });
  test('is to run what differs from the last time, and says in what', () => {
    const previous = { ...record, preImage: { ...key.preImage, seed: 7 } };
    expect(decide({ ...evidence, previous })).toEqual({
      action: 'run',
      cause: { because: 'changed', changes: [{ pointer: '/seed', before: '7', after: '1' }] },
    });
  });
});
