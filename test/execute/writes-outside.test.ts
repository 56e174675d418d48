// A program that writes where it should not: found where it touches what other stages made or what its own key stands for.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Engine, ofType } from '../support/engine.ts';
import { plan, script } from '../support/plans.ts';

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
});
afterEach(async () => {
  await engine.remove();
});

const OVERWRITES = `const fs = require('fs'); const [, input, out] = process.argv; fs.writeFileSync(out, 'x');
  fs.chmodSync(input, 0o644); fs.writeFileSync(input, 'something else')`;
const data = script('data', `require('fs').writeFileSync(process.argv[1], 'data')`, { args: ['{output:out}'] });
const bad = script('bad', OVERWRITES, { inputs: { in: 'data.out' }, args: ['{input:in}', '{output:out}'] });
const reads = script('reads', `const fs = require('fs'); fs.copyFileSync(process.argv[1], process.argv[2])`, {
  inputs: { in: 'data.out' },
  args: ['{input:in}', '{output:out}'],
});

test('an input that the program overwrote fails it, is quarantined, and is made again', async () => {
  const { events, outcome } = await engine.run(plan([data, bad]));
  expect(outcome.exitCode).toBe(1);
  expect(ofType(events, 'stage-failed')[0]?.failure).toMatchObject({
    reason: 'input-modified',
    port: 'in',
    from: 'data.out',
  });
  expect(ofType(events, 'object-quarantined')).toHaveLength(1);
  const next = await engine.run(plan([data, reads]));
  expect(next.states).toEqual({ data: 'succeeded', reads: 'succeeded' });
  const digest = ofType(next.events, 'stage-succeeded').at(-1)?.outputs['out']?.digest;
  expect(digest).toBe(ofType(next.events, 'stage-succeeded')[0]?.outputs['out']?.digest);
});

test('a program that wrote into its input is not tried again', async () => {
  const { events } = await engine.run(plan([data, { ...bad, retries: 3 }]));
  expect(ofType(events, 'stage-retried')).toEqual([]);
});

test('objects of the store are read-only files', async () => {
  const { events } = await engine.run(plan([data]));
  const digest = ofType(events, 'stage-succeeded')[0]?.outputs['out']?.digest ?? '';
  const object = join(engine.root, '.headgate/objects', digest.slice(0, 2), digest);
  expect((await stat(object)).mode & 0o222).toBe(0);
});
