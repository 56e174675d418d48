// What a workflow says it gives: references that are looked up like any input, under names that can be files.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { planOf, tryPlan } from './plan-of.ts';

const stages = {
  train: {
    kind: 'command',
    forEach: ['a', 'b'],
    with: { argv: ['./train', { $key: true }], outputs: { weights: { type: 'file', path: 'w.bin' } } },
  },
  left: { kind: 'command', enabled: false, with: { argv: ['x'], outputs: { o: { type: 'file', path: 'o' } } } },
};

/** Code and line of each problem; the outputs begin on the fourth line. */
function refused(outputs: object): readonly string[] {
  const tried = tryPlan({ name: 'w', outputs, stages });
  return tried.ok ? [] : tried.error.map(({ code, line }) => `${code} in line ${line}`);
}

test('an output of the workflow names an output of one stage', () => {
  expect(planOf({ name: 'w', outputs: { model: 'train[b].weights' }, stages }).outputs).toEqual([
    { name: 'model', from: { stage: 'train[b]', port: 'weights' } },
  ]);
  expect(planOf({ name: 'w', stages }).outputs).toBeUndefined();
});

test.each([
  ['a stage that is not there', { m: 'trains.weights' }, 'HG1104 in line 4'],
  ['a port that is not there', { m: 'train[a].weight' }, 'HG1105 in line 4'],
  ['a fan-out without a key', { m: 'train.weights' }, 'HG1107 in line 4'],
  ['a stage that is left out', { m: 'left.o' }, 'HG1506 in line 4'],
  ['two names that may become one file', { m: 'train[a].weights', 'm.bin': 'train[b].weights' }, 'HG1507 in line 4'],
  ['a name that is no file', { '../m': 'train[a].weights' }, 'HG1116 in line 4'],
])('%s is refused at its place', (_what, outputs, code) => {
  expect(refused(outputs)).toEqual([code]);
});

test('the workflow of the page can be planned', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/outputs.md'), 'utf8');
  const [, block = ''] = /```json\n([\s\S]*?)```/.exec(page) ?? [];
  expect(planOf(JSON.parse(block) as object).outputs?.map(({ name }) => name)).toEqual(['model', 'table.csv']);
});
