// schemas/job.schema.json and the engine agree: what the engine writes is valid, what the protocol's text shows is too.
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseMetrics } from '../../src/execute/metrics-document.ts';
import type { Json } from '../../src/support/json.ts';
import { Engine } from '../support/engine.ts';
import { collect, job, plan } from '../support/plans.ts';

const repository = join(import.meta.dirname, '../..');
let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

async function validator(part: 'request' | 'event' | 'result'): Promise<(document: unknown) => boolean> {
  const schema = JSON.parse(await readFile(join(repository, 'schemas/job.schema.json'), 'utf8')) as object & {
    $id: string;
  };
  const ajv = new Ajv2020({ strictTypes: false, strictRequired: false });
  ajv.addSchema(schema);
  const validate = ajv.compile({ $ref: `${schema.$id}#/$defs/${part}` });
  return (document) => validate(document);
}

test('the documents of a real job are valid', async () => {
  const events = [
    { type: 'proof', proof: { name: 'freeze', held: true, text: 'backbone: 48 tensors' } },
    { type: 'note', level: 'info', text: 'x' },
  ];
  const { outcome } = await engine.run(
    plan([
      job('head'),
      job(
        'merge',
        { steps: 1, events, summary: { loss: 1 } },
        { inputs: { heads: collect({ detection: 'head.out' }) } },
      ),
    ]),
  );
  const folder = join(engine.root, '.headgate/runs', outcome.run, 'jobs/merge/1');
  const read = async (name: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, name), 'utf8')) as unknown;
  expect((await validator('request'))(await read('job.json'))).toBe(true);
  expect((await validator('result'))(await read('result.json'))).toBe(true);
  const isEvent = await validator('event');
  const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => isEvent(JSON.parse(line)))).toEqual([true, true, true]);
  expect((await readdir(folder)).sort()).toEqual([
    'events.jsonl',
    'job.json',
    'result.json',
    'resume',
    'stderr.log',
    'stdout.log',
  ]);
});

describe('a result', () => {
  const base = { protocol: 1, token: 't' };
  test.each<[string, Json, boolean]>([
    ['interrupted', { ...base, status: 'interrupted' }, true],
    [
      'failed with words',
      { ...base, status: 'failed', failure: { reason: 'loss-not-finite', message: 'NaN at step 3' } },
      true,
    ],
    ['failed without words', { ...base, status: 'failed' }, false],
    ['succeeded without outputs', { ...base, status: 'succeeded' }, false],
    ['of another version', { ...base, protocol: 2, status: 'interrupted' }, false],
  ])('%s: valid is %s', async (_, document, valid) => {
    expect((await validator('result'))(document)).toBe(valid);
  });
});

test('the metrics in docs/job-protocol.md are metrics', async () => {
  const text = await readFile(join(repository, 'docs/job-protocol.md'), 'utf8');
  const block = /```json\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  expect(parseMetrics('metrics', block)).toMatchObject({
    ok: true,
    value: { fact: { primary: 'mAP', values: { mAP: 0.744 } } },
  });
});
