// The workflows of docs/language.md: each can be planned, and does what the page says.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { idsOf, planOf, stageOf } from '../plan/plan-of.ts';

const text = await readFile(join(import.meta.dirname, '../../docs/language.md'), 'utf8');
const workflows = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block]) => JSON.parse(block ?? '') as object);
const [plain = {}, sweep = {}, templates = {}, loop = {}] = workflows;

test('every workflow of the page can be planned', () => {
  expect(workflows.map((workflow) => planOf(workflow).stages.length > 1)).toEqual([true, true, true, true]);
  expect(stageOf(planOf(plain, { set: ['message=bye'] }), 'make').settings['argv']).toEqual(['./make', 'bye']);
});

test('a matrix zips by the parts of its keys', () => {
  const plan = planOf(sweep);
  expect(idsOf(plan)).toContain('train[day,4]');
  expect(idsOf(plan)).not.toContain('train[dusk,4]');
  expect(stageOf(plan, 'train[dusk,8]').inputs['set']).toMatchObject({ from: { stage: 'data[dusk]' } });
});

test('a path leads into a template', () => {
  const after = [{ kind: 'case', ref: { gate: 'check[large]/gate', cases: ['good'] } }];
  expect(stageOf(planOf(templates), 'publish[large]').after).toEqual(after);
});

test('a loop is unrolled to its bound', () => {
  const count = (attempts: number): number =>
    idsOf(planOf(loop, { set: [`attempts=${attempts}`] })).filter((id) => id.endsWith('/step')).length;
  expect([count(1), count(3), count(7)]).toEqual([1, 3, 7]);
});
