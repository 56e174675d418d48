// A part of a plan: what `--until` takes along.
import { expect, test } from 'vitest';
import { planUntil } from '../../src/execute/subplan.ts';
import { ELSE, gate, job, metricsStage, plan, stage } from '../support/plans.ts';

const pass = { name: 'pass', criteria: [{ metric: 'primary', atLeast: 0.9 }] };
const whole = plan([
  metricsStage('check', 0.5),
  gate('admit', 'check.metrics', [pass, ELSE('tune')]),
  stage('refuse', 'stop', { after: ['admit:tune'] }),
  metricsStage('attempt', 0.5, { after: ['admit:tune'] }),
  gate('until', 'attempt.metrics', [pass, ELSE('exhausted')], { after: ['admit:tune'] }),
  stage('give-up', 'stop', { after: ['until:exhausted', 'admit:tune'] }),
  job('publish', {}, { after: ['admit:pass'] }),
]);

const until = (id: string) => {
  const targets = whole.stages.filter((one) => String(one.id) === id);
  return planUntil(whole, targets).stages.map((one) => String(one.id));
};

test('a stop comes along whose gates are all needed, and brings nothing that is not', () => {
  expect(until('publish')).toEqual(['check', 'admit', 'refuse', 'publish']);
  expect(until('until')).toEqual(['check', 'admit', 'refuse', 'attempt', 'until', 'give-up']);
});
