// The examples of docs/gates.md: the workflow plans, and the metrics file is one.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseMetrics } from '../../src/execute/metrics-document.ts';
import { planOf, stageOf } from '../plan/plan-of.ts';

const text = await readFile(join(import.meta.dirname, '../../docs/gates.md'), 'utf8');
const [workflow = '', metrics = ''] = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block]) => block ?? '');

test('the workflow with pass, marginal and fail can be planned', () => {
  const gate = stageOf(planOf(JSON.parse(workflow) as object), 'check');
  expect(gate.settings['cases']).toMatchObject([{ name: 'pass' }, { name: 'marginal' }, { name: 'fail' }]);
});

test('the metrics file is read with its classes and replicates', () => {
  expect(parseMetrics('metrics', metrics)).toMatchObject({
    ok: true,
    value: {
      classes: { mIoU: { car: 0.32 } },
      replicates: { count: 3, classes: { mIoU: { car: [0.3, null, 0.33] } } },
    },
  });
});
